// The passes that read devices. Blocks that two mappings name go to the one whose checksum they match. The data pass reads
// every stored block and compares it with its checksum: what fails is set apart: its place in the file answers EIO, its place on
// the device is never used again.
#include <fmt/format.h>

#include <algorithm>

#include "base/checksum.h"
#include "engine/fsck/checker.h"

namespace ross::engine {

using format::BlockAddress;
using format::BlockRef;
using format::kBlockBytes;
using format::NodeKey;

namespace {

constexpr BlockRef kSetApart{.address = format::kBad, .crc = 0};

// A buffer that devices can read into, for a whole segment.
struct SegmentBuffer {
  std::vector<std::byte> memory = std::vector<std::byte>((format::kSegmentBlocks + 1) * kBlockBytes);
  std::span<std::byte> span() {
    const std::uintptr_t misaligned = reinterpret_cast<std::uintptr_t>(memory.data()) % kBlockBytes;
    const std::size_t skip = misaligned == 0 ? 0 : kBlockBytes - misaligned;
    return std::span(memory).subspan(skip, std::size_t{format::kSegmentBlocks} * kBlockBytes);
  }
};

runtime::Task<int> read_run(disk::Disk& disk, std::uint64_t offset_bytes, std::span<std::byte> into) {
  disk::Request request;
  disk::Batch batch;
  batch.submit(disk, request.read(offset_bytes, into));
  co_return co_await batch;
}

}  // namespace

int Checker::read_blocks(BlockAddress address, std::span<std::byte> into) {
  return loop_->block_on(read_run(*disks_[format::device_of(address)], format::block_of(address) * kBlockBytes, into));
}

Status Checker::settle_blocks_mapped_twice() {
  if (mapped_twice_.empty()) return {};
  struct Claim {
    std::string key;
    NodeKey id;
    std::size_t index;
    std::uint32_t crc;
  };
  std::map<BlockAddress, std::vector<Claim>> claims;
  std::map<std::string, std::vector<BlockRef>> segments;
  ROSS_STATUS(each(format::KeyKind::kSegment, [&](std::string_view key, std::string_view value) {
    format::Reader in(key);
    NodeKey id;
    auto blocks = format::decode_segment(value);
    if (node_of(in, id) == nullptr || !blocks) return;
    for (std::size_t i = 0; i < blocks->size(); ++i) {
      const BlockRef ref = (*blocks)[i];
      if (!format::is_stored(ref.address) || !mapped_twice_.contains(ref.address)) continue;
      claims[ref.address].push_back({.key = std::string(key), .id = id, .index = i, .crc = ref.crc});
      segments.emplace(std::string(key), *blocks);
    }
  }));
  SegmentBuffer buffer;
  const std::span<std::byte> block = buffer.span().first(kBlockBytes);
  for (const auto& [address, rivals] : claims) {
    const auto device = static_cast<std::uint8_t>(format::device_of(address));
    auto in_log = store_.get(format::deferred_key(device, format::block_of(address)));
    if (!in_log) return std::move(in_log).error();
    bool readable = true;
    if (*in_log && (*in_log)->size() == kBlockBytes) {
      std::ranges::copy(std::as_bytes(std::span(**in_log)), block.begin());
    } else {
      readable = read_blocks(address, block) == 0;
    }
    const std::uint32_t crc = readable ? crc32c(block) : 0;
    auto keeper = std::ranges::find_if(rivals, [&](const Claim& claim) { return readable && claim.crc == crc; });
    if (keeper == rivals.end()) keeper = rivals.begin();
    for (auto rival = rivals.begin(); rival != rivals.end(); ++rival) {
      if (rival == keeper) continue;
      found(place(rival->id), fmt::format("device {} block {} is mapped twice", device, format::block_of(address)),
            true);
      const auto mended = mended_.try_emplace(rival->key, segments[rival->key]).first;
      mended->second[rival->index] = kSetApart;
    }
  }
  return {};
}

void Checker::check_segment_data(NodeKey id, std::uint32_t segment, std::vector<BlockRef>& blocks,
                                 std::span<std::byte> buffer, bool& changed) {
  for (std::size_t i = 0; i < blocks.size();) {
    const BlockAddress address = blocks[i].address;
    if (!format::is_stored(address) || !exists(address)) {
      ++i;
      continue;
    }
    std::size_t run = 1;
    while (i + run < blocks.size() && blocks[i + run].address == address + run && exists(address + run)) ++run;
    const int error = read_blocks(address, buffer.first(run * kBlockBytes));
    for (std::size_t at = i; at < i + run; ++at) {
      const std::span<std::byte> one = buffer.subspan((at - i) * kBlockBytes, kBlockBytes);
      std::span<const std::byte> content = one;
      int block_error = error;
      const BlockAddress here = blocks[at].address;  // a copy: records are packed
      if (const auto in_log = deferred_.find(here); in_log != deferred_.end()) {
        content = std::as_bytes(std::span(in_log->second));
        block_error = 0;
      } else if (error < 0 && run > 1) {  // find out which
        block_error = read_blocks(here, one);
      }
      if (block_error == 0 && crc32c(content) == blocks[at].crc) continue;
      const std::uint64_t offset = (std::uint64_t{segment} * format::kSegmentBlocks + at) * kBlockBytes;
      found(place(id),
            fmt::format("4096 bytes at {}: {}", offset,
                        block_error < 0 ? "the device does not read them" : "they do not match their checksum"),
            true);
      const auto device = static_cast<std::uint8_t>(format::device_of(address));
      const std::uint64_t block = format::block_of(blocks[at].address);
      fixes_.Put(format::isolated_key(device, block), rocksdb::Slice());
      fixes_.Delete(format::deferred_key(device, block));
      blocks[at] = kSetApart;
      changed = true;
    }
    i += run;
  }
}

Status Checker::check_data() {
  SegmentBuffer buffer;
  return each(format::KeyKind::kSegment, [&](std::string_view key, std::string_view value) {
    format::Reader in(key);
    NodeKey id;
    const Node* const node = node_of(in, id);
    const auto segment = in.big<std::uint32_t>();
    // A mapping that an earlier pass changed is read as it will be.
    const auto mended = mended_.find(key);
    auto blocks =
        mended != mended_.end() ? Result<std::vector<BlockRef>>(mended->second) : format::decode_segment(value);
    if (node == nullptr || !in.done() || segment >= format::kSegmentsMax || !blocks) return;
    bool changed = false;
    check_segment_data(id, segment, *blocks, buffer.span(), changed);
    if (changed) mended_.insert_or_assign(std::string(key), *std::move(blocks));
  });
}

}  // namespace ross::engine
