// The mapping of a file's blocks to device blocks, and the accounts that follow it: what the node occupies, what the container
// uses, what the pool's space map says.
#include "engine/container.h"

namespace ross::engine {

using format::BlockRef;
using format::kSegmentBlocks;
using format::kSegmentShift;

Result<BlockRef> Container::block_at(Inode& node, std::uint64_t block) {
  ROSS_TRY(const Segment* const segment, core_.nodes.segment(node, static_cast<std::uint32_t>(block >> kSegmentShift)));
  return segment == nullptr ? BlockRef{} : segment->at(static_cast<std::uint32_t>(block % kSegmentBlocks));
}

void Container::map_block(Inode& node, std::uint64_t block, BlockRef ref) {
  const auto found = node.segments.find(static_cast<std::uint32_t>(block >> kSegmentShift));
  ROSS_CHECK(found != node.segments.end(), "a block is mapped in a segment that was not prepared");
  Segment& segment = *found->second;
  const auto index = static_cast<std::uint32_t>(block % kSegmentBlocks);
  const BlockRef old = segment.at(index);
  const int before = format::is_allocated(old.address) ? 1 : 0;
  const int after = format::is_allocated(ref.address) ? 1 : 0;
  if (format::is_stored(old.address)) {
    core_.append_log.drop(old.address);
  } else if (old.address == format::kReserved) {
    if (state_.record.reserved_blocks > 0) {  // a damaged store may hold fewer than its mappings say
      core_.space.unreserve(1);
      --state_.record.reserved_blocks;
      core_.mark_dirty(state_);
    }
  }
  if (ref.address == format::kReserved) {
    ++state_.record.reserved_blocks;
    core_.mark_dirty(state_);
  }
  if (format::is_stored(ref.address)) core_.space.reference(ref.address);
  core_.nodes.set_block(segment, index, ref);
  if (before != after) {
    node.record.blocks += static_cast<std::uint64_t>(after - before);
    state_.record.used_blocks += static_cast<std::uint64_t>(after - before);
    core_.mark_dirty(state_);
    core_.nodes.mark_dirty(node);
  }
}

void Container::free_blocks(Inode& node, Segment& segment, std::uint32_t first, std::uint32_t end) {
  end = std::min<std::uint32_t>(end, static_cast<std::uint32_t>(segment.blocks.size()));
  const std::uint64_t base = std::uint64_t{segment.index} << kSegmentShift;
  for (std::uint32_t block = first; block < end; ++block) {
    if (segment.blocks[block].address != format::kHole) map_block(node, base + block, {});
  }
}

Result<bool> Container::free_segments(Inode& node, std::uint32_t from, std::size_t most) {
  ROSS_TRY(const auto indices, core_.nodes.segments_from(node, from, most));
  for (const std::uint32_t index : indices) {
    ROSS_TRY(Segment* const segment, core_.nodes.segment(node, index));
    if (segment != nullptr) free_blocks(node, *segment, 0, kSegmentBlocks);
  }
  return indices.size() < most;
}

}  // namespace ross::engine
