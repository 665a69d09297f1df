// resize: truncate and extend.
//
// Shrinking sets the size first and frees what lies behind it, in slices when there is much; an orphan record makes the next
// open of the pool finish what a crash cut short, and what would extend the file waits meanwhile. A last block that keeps
// old bytes past the new end is only marked: clean_tail() zeroes them before the file grows over them again.
#include "engine/data/change.h"

namespace ross::engine {

using format::InodeRecord;
using format::kBlockBytes;
using format::kSegmentBlocks;
using format::kSegmentShift;

Status Container::tail_stuck() {
  return Status(EIO, "a truncate of this file could not free what it cut off: run ross fsck --repair on the pool");
}

runtime::Task<Status> Container::clean_tail(Lock& lock, Inode& node) {
  Change tail;
  tail.kind = Change::Kind::kPunch;
  tail.silent = true;
  tail.privileged = true;
  tail.begin = node.record.size_bytes;
  tail.end = (tail.begin + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
  if (tail.begin < tail.end) {
    if (Status status = co_await change(lock, node, tail); !status.ok()) co_return status;
  }
  // A concurrent truncate may have moved the end; then its own mark stands.
  if (node.record.size_bytes == tail.begin) {
    node.record.flags &= ~InodeRecord::kTailDirty;
    core_.nodes.mark_dirty(node);
  }
  co_return Status();
}

runtime::Task<Status> Container::resize(Lock& lock, Inode& node, std::uint64_t size_bytes) {
  for (;;) {
    while (node.reclaiming) co_await core_.reclaim_waiters.wait(lock);
    if (!core_.failure().ok()) co_return core_.failure();
    const bool grows = size_bytes > node.record.size_bytes;
    if (grows && (node.record.flags & InodeRecord::kTailStuck) != 0) co_return tail_stuck();
    if (!grows || (node.record.flags & InodeRecord::kTailDirty) == 0) break;
    if (Status status = co_await clean_tail(lock, node); !status.ok()) co_return status;
  }
  if (size_bytes >= node.record.size_bytes) {
    node.record.size_bytes = size_bytes;
    core_.nodes.mark_dirty(node);
    co_return Status();
  }
  const auto shrink = [&]() -> Result<bool> {
    const std::uint64_t end_block = (size_bytes + kBlockBytes - 1) / kBlockBytes;
    const auto border = static_cast<std::uint32_t>(end_block >> kSegmentShift);
    const auto in_border = static_cast<std::uint32_t>(end_block % kSegmentBlocks);
    const bool cuts_block = size_bytes % kBlockBytes != 0;
    Segment* border_segment = nullptr;
    format::BlockRef last;
    if (in_border != 0) {
      ROSS_TRY(border_segment, core_.nodes.segment(node, border));
    }
    if (cuts_block) {
      ROSS_TRY(last, block_at(node, size_bytes / kBlockBytes));
    }
    // What cannot be read is found out before anything changes.
    const std::uint32_t from = in_border != 0 ? border + 1 : border;
    ROSS_TRY(const auto slice, core_.nodes.segments_from(node, from, kSegmentsPerSlice));
    for (const std::uint32_t index : slice) ROSS_OK(core_.nodes.segment(node, index));
    node.record.size_bytes = size_bytes;
    node.record.flags &= ~InodeRecord::kTailDirty;
    if (cuts_block && format::is_stored(last.address)) node.record.flags |= InodeRecord::kTailDirty;
    core_.nodes.mark_dirty(node);
    if (border_segment != nullptr) free_blocks(node, *border_segment, in_border, kSegmentBlocks);
    ROSS_TRY(const bool done, free_segments(node, from, kSegmentsPerSlice));
    if (done) {
      node.record.segments_end = std::min(node.record.segments_end, from);
      node.record.flags &= ~InodeRecord::kTailStuck;
    }
    return done;
  };
  bool marked = false;
  Status status;
  for (;;) {
    auto done = shrink();
    if (!done) status = std::move(done).error();
    if (!done || *done) break;
    node.reclaiming = marked = true;
    set_orphan(node, true);
    if (core_.admits()) {
      lock.unlock();
      lock.lock();  // lets the others in
    } else if (status = co_await core_.admit(lock); !status.ok()) {
      break;
    }
  }
  if (marked) {
    node.reclaiming = false;
    // A later slice failed: the file is cut, but it may not grow over what is still mapped behind its end.
    if (!status.ok()) node.record.flags |= InodeRecord::kTailStuck;
    if (status.ok() && node.record.links > 0) set_orphan(node, false);
    core_.reclaim_waiters.notify_all();
  }
  co_return status;
}

}  // namespace ross::engine
