// fallocate: reserve, punch, zero; and seek: where data and holes are.
#include <algorithm>

#include "engine/data/change.h"
#include "engine/names/permission.h"

namespace ross::engine {

using format::BlockRef;
using format::kBlockBytes;
using format::kSegmentBlocks;
using format::kSegmentShift;

namespace {

// A longer punch is not one change but several, each whole.
constexpr std::uint64_t kPunchPieceBytes = std::uint64_t{64} << 30;
constexpr std::uint64_t kReserveBlocksPerSlice = 64 * kSegmentBlocks;

}  // namespace

// Reserves the holes among blocks [begin, end), slice by slice; a reservation is a number, so the mapping says only "reserved".
runtime::Task<Status> Container::reserve_range(Lock& lock, Inode& node, std::uint64_t begin, std::uint64_t end) {
  const auto slice = [&](std::uint64_t from, std::uint64_t to) -> Result<bool> {
    std::uint64_t holes = 0;
    for (std::uint64_t block = from; block < to; ++block) {
      ROSS_TRY(const Segment* const segment,
               core_.nodes.segment_for_write(node, static_cast<std::uint32_t>(block >> kSegmentShift)));
      if (segment->at(static_cast<std::uint32_t>(block % kSegmentBlocks)).address == format::kHole) ++holes;
    }
    ROSS_OK(check_quota(holes));
    ROSS_OK(core_.space.reserve(holes));
    for (std::uint64_t block = from; block < to; ++block) {
      ROSS_TRY(const BlockRef ref, block_at(node, block));
      if (ref.address == format::kHole) map_block(node, block, {.address = format::kReserved, .crc = 0});
    }
    return true;
  };
  for (std::uint64_t block = begin; block < end;) {
    while (node.reclaiming) co_await core_.reclaim_waiters.wait(lock);
    if (!core_.admits()) {
      if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
    }
    const std::uint64_t to = std::min(end, block + kReserveBlocksPerSlice);
    auto done = slice(block, to);
    if (!done && done.error().error() == ENOSPC) {
      auto freed = co_await core_.free_by_commit(lock);
      if (!freed) co_return std::move(freed).error();
      if (*freed) done = slice(block, to);
    }
    if (!done) co_return std::move(done).error();
    block = to;
  }
  co_return Status();
}

fs::AsyncStatus Container::fallocate(fs::FileId file, fs::Fallocate kind, std::uint64_t offset_bytes,
                                     std::uint64_t size_bytes) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  auto open = find_file(file);
  if (!open) co_return std::move(open).error();
  if (!(*open)->flags.write) co_return Status(EBADF);
  Inode& node = *(*open)->inode;
  if (!node.is_regular()) co_return Status(ENODEV);
  if (size_bytes == 0) co_return Status(EINVAL);
  if (offset_bytes > fs::kFileBytesMax || size_bytes > fs::kFileBytesMax - offset_bytes) co_return Status(EFBIG);
  const bool privileged = (*open)->privileged;
  const std::uint64_t end = offset_bytes + size_bytes;
  const bool punches = kind == fs::Fallocate::kPunchHole || kind == fs::Fallocate::kZeroRange;
  const bool reserves = kind != fs::Fallocate::kPunchHole;
  const bool grows = kind == fs::Fallocate::kAllocate || kind == fs::Fallocate::kZeroRange;
  core_.nodes.pin(node);
  Status status;
  if (!core_.admits()) status = co_await core_.admit(lock);
  // More than is free can never be reserved; better said before the first slice.
  const std::uint64_t blocks = size_bytes / kBlockBytes;
  if (status.ok() && reserves && blocks > node.record.blocks + core_.space.free_blocks()) status = Status(ENOSPC);
  // What is zeroed is to stay reserved, and what it occupied is free only after a commit: so the space is held before
  // anything changes. A range of more than a slice can still fail between slices.
  std::uint64_t held = 0;
  if (status.ok() && punches && reserves) {
    const auto hold = [&]() -> Status {
      const std::uint64_t first = offset_bytes / kBlockBytes;
      const std::uint64_t past = std::min((end + kBlockBytes - 1) / kBlockBytes, first + kReserveBlocksPerSlice);
      std::uint64_t count = 0;
      for (std::uint64_t block = first; block < past; ++block) {
        auto ref = block_at(node, block);
        if (!ref) return std::move(ref).error();
        if (ref->address != format::kReserved) ++count;
      }
      Status reserved = core_.space.reserve(count);
      if (reserved.ok()) held = count;
      return reserved;
    };
    status = hold();
    if (status.error() == ENOSPC) {
      auto freed = co_await core_.free_by_commit(lock);
      if (!freed) {
        status = std::move(freed).error();
      } else if (*freed) {
        status = hold();
      }
    }
  }
  for (std::uint64_t at = offset_bytes; status.ok() && punches && at < end;) {
    Change punch;
    punch.kind = Change::Kind::kPunch;
    punch.privileged = privileged;
    punch.begin = at;
    punch.end = std::min(end, at + kPunchPieceBytes);
    at = punch.end;
    status = co_await change(lock, node, punch);
  }
  if (held > 0) core_.space.unreserve(held);
  if (status.ok() && reserves) {
    status = co_await reserve_range(lock, node, offset_bytes / kBlockBytes, (end + kBlockBytes - 1) / kBlockBytes);
  }
  if (status.ok() && grows && end > node.record.size_bytes) status = co_await resize(lock, node, end);
  if (status.ok()) {
    node.record.mode = mode_after_write(privileged, node.record.mode);
    touch(node, true);
    core_.remember(change_id, 0);
  }
  core_.nodes.unpin(node);
  if (unwanted(node)) {
    if (Status reclaimed = co_await reclaim(lock, node); status.ok()) status = reclaimed;
  }
  co_return status;
}

fs::Async<std::uint64_t> Container::seek(fs::FileId file, fs::SeekKind kind, std::uint64_t offset_bytes) {
  const auto find_next = [&]() -> Result<std::uint64_t> {
    const Lock lock(core_.mutex);
    core_.nodes.trim();
    ROSS_TRY(OpenFile* const open, find_file(file));
    Inode& node = *open->inode;
    if (!node.is_regular()) return fail(EINVAL);
    const std::uint64_t size = node.record.size_bytes;
    if (offset_bytes >= size) return fail(ENXIO);
    const bool wants_data = kind == fs::SeekKind::kData;
    const auto is_data = [](BlockRef ref) { return ref.address != format::kHole && ref.address != format::kReserved; };
    std::uint64_t block = offset_bytes / kBlockBytes;
    const std::uint64_t end_block = (size + kBlockBytes - 1) / kBlockBytes;
    while (block < end_block) {
      const auto index = static_cast<std::uint32_t>(block >> kSegmentShift);
      ROSS_TRY(const Segment* const segment, core_.nodes.segment(node, index));
      if (segment == nullptr || segment->blocks.empty()) {
        if (!wants_data) break;
        // Over a hole from segment to segment, not block by block.
        ROSS_TRY(const auto next, core_.nodes.segments_from(node, index + 1, 1));
        if (next.empty()) return fail(ENXIO);
        block = std::uint64_t{next.front()} << kSegmentShift;
        continue;
      }
      if (is_data(segment->at(static_cast<std::uint32_t>(block % kSegmentBlocks))) == wants_data) break;
      ++block;
    }
    if (block >= end_block) {
      if (wants_data) return fail(ENXIO);
      return size;
    }
    return std::min(size, std::max(offset_bytes, block * kBlockBytes));
  };
  return fs::Async<std::uint64_t>::ready(find_next());
}

}  // namespace ross::engine
