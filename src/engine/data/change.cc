// change: how content changes. Nothing that a commit named is overwritten: new content goes to new blocks, and the mapping
// changes under the mutex, all at once.
//
// 1. Blocks at the border of the range that keep old bytes (edges) are read and merged.
// 2. New blocks are found: in the append log for small changes, of the change's own for large ones and on memory devices.
// 3. Content goes there: under the mutex into an image, or without it to the devices.
// 4. If an edge was remapped meanwhile, or an appended file has grown, what was merged is stale: once more from 1. Somebody
//    else's change succeeded, so the pool as a whole goes on.
// 5. The mapping, the size and the times change.
#include "engine/data/change.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/units.h"
#include "engine/names/permission.h"

namespace ross::engine {

using format::BlockRef;
using format::kBlockBytes;

namespace {

// Below this a change gathers in the append log.
constexpr std::uint64_t kSmallBytes = 64 * kKiB;
}  // namespace

void Container::Change::fill(std::size_t i, std::byte* out) const {
  const std::uint64_t block = target(i);
  if (const Edge* const edge = edge_of(block)) {
    std::copy_n(edge->content, kBlockBytes, out);
  } else {
    from.copy_out(source_of(block), {out, kBlockBytes});
  }
}

runtime::Task<Status> Container::change(Lock& lock, Inode& node, Change& change) {
  const std::uint64_t length = change.end - change.begin;
  bool freed_once = false;
  for (;;) {
    if (!core_.failure().ok()) co_return core_.failure();
    if (change.append) {
      change.begin = node.record.size_bytes;
      change.end = change.begin + length;
    }
    if (change.end > fs::kFileBytesMax) co_return Status(EFBIG);
    if (node.reclaiming) {
      co_await core_.reclaim_waiters.wait(lock);
      continue;
    }
    const bool grows = change.kind == Change::Kind::kWrite && change.end > node.record.size_bytes;
    if (grows && (node.record.flags & format::InodeRecord::kTailStuck) != 0) co_return tail_stuck();
    if (grows && (node.record.flags & format::InodeRecord::kTailDirty) != 0) {
      if (Status status = co_await clean_tail(lock, node); !status.ok()) co_return status;
      continue;
    }
    if (Status status = co_await fetch_edges(lock, node, change); !status.ok()) co_return status;
    if (!still_right(node, change)) continue;
    if (Status status = prepare(node, change); !status.ok()) co_return status;

    const std::uint64_t bytes = change.target_count() * kBlockBytes;
    Status status(ENOSPC);
    if (!core_.mapped && bytes <= kSmallBytes) {
      if (!core_.append_log.has_room(static_cast<std::uint32_t>(change.target_count()))) {
        if (status = co_await core_.make_append_room(lock); !status.ok()) co_return status;
        continue;
      }
      status = place_small(node, change);
      // Full, or too scattered for the log's chunks: then the change goes where its own blocks are.
      if (!status.ok() && status.error() != ENOSPC && status.error() != EAGAIN) co_return status;
    }
    if (!status.ok()) {
      status = co_await place_direct(lock, node, change);
      if (status.error() == ENOSPC && !freed_once) {
        freed_once = true;
        auto freed = co_await core_.free_by_commit(lock);
        if (!freed) co_return std::move(freed).error();
        if (*freed) continue;
      }
      if (!status.ok()) co_return status;
      if (status = core_.failure(); status.ok() && still_right(node, change)) status = prepare(node, change);
      if (!status.ok() || !still_right(node, change)) {
        for (const Extent& extent : change.extents) core_.space.release(extent);
        if (!status.ok()) co_return status;
        continue;
      }
    }
    apply(node, change);
    co_return Status();
  }
}

// Whether what was decided before a wait still holds.
bool Container::still_right(Inode& node, const Change& change) {
  if (node.reclaiming || (change.append && change.begin != node.record.size_bytes)) return false;
  const bool grows = change.kind == Change::Kind::kWrite && change.end > node.record.size_bytes;
  if (grows && (node.record.flags & format::InodeRecord::kTailDirty) != 0) return false;
  for (std::size_t i = 0; i < change.edge_count; ++i) {
    const auto now = block_at(node, change.edges[i].block);
    if (!now || now->address != change.edges[i].seen.address || now->crc != change.edges[i].seen.crc) return false;
  }
  return true;
}

// Finds the edges, reads what they keep, and merges. May unlock between.
runtime::Task<Status> Container::fetch_edges(Lock& lock, Inode& node, Change& change) {
  change.edge_count = 0;
  if (change.begin == change.end) co_return Status();
  const std::uint64_t first = change.first_block();
  const std::uint64_t last = change.end_block() - 1;
  for (const std::uint64_t block : {first, last}) {
    if (change.edge_count > 0 && change.edges[0].block == block) continue;
    const std::uint64_t block_begin = block * kBlockBytes;
    const std::uint64_t begin = std::max(change.begin, block_begin);
    const std::uint64_t end = std::min(change.end, block_begin + kBlockBytes);
    if (end - begin == kBlockBytes) continue;
    auto old = block_at(node, block);
    if (!old) co_return std::move(old).error();
    if (old->address == format::kBad) {
      co_return Status(EIO, "this part of the file was damaged and set apart by ross fsck: write it in whole blocks");
    }
    if (change.kind == Change::Kind::kPunch && !format::is_stored(old->address)) continue;  // zeros already
    while (!change.scratch) {
      auto lease = core_.bounce.lease();
      if (lease) {
        change.scratch = *std::move(lease);
        break;
      }
      lock.unlock();
      runtime::Loop& loop = *runtime::Loop::current();
      co_await loop.sleep_until(loop.clock().monotonic_ns() + 100'000);
      lock.lock();
    }
    Change::Edge& edge = change.edges[change.edge_count];
    edge = {.block = block, .seen = *old, .content = change.scratch.data() + change.edge_count * kBlockBytes};
    ++change.edge_count;
    // Old bytes matter only where the file has some and the change leaves some.
    const bool covers_all = begin == block_begin && end >= node.record.size_bytes;
    if (format::is_stored(old->address) && !(covers_all && change.kind == Change::Kind::kWrite)) {
      if (Status status = co_await read_block(lock, edge.seen, edge.content); !status.ok()) {
        // A block that was freed and reused while we read it is no damage: the caller looks again.
        const auto now = block_at(node, block);
        if (now && now->address == edge.seen.address) co_return status;
        co_return Status();
      }
    } else {
      std::fill_n(edge.content, kBlockBytes, std::byte{0});
    }
    std::byte* const target = edge.content + (begin - block_begin);
    if (change.kind == Change::Kind::kWrite) {
      change.from.copy_out(change.from_at + (begin - change.begin), {target, end - begin});
    } else {
      std::fill_n(target, end - begin, std::byte{0});
    }
  }
  co_return Status();
}

// Brings the segments into memory and checks that quota allows what is new.
Status Container::prepare(Inode& node, Change& change) {
  std::uint64_t fresh = 0;
  change.credit = 0;
  Segment* segment = nullptr;
  for (std::size_t i = 0; i < change.target_count(); ++i) {
    const std::uint64_t block = change.target(i);
    const auto index = static_cast<std::uint32_t>(block >> format::kSegmentShift);
    if (segment == nullptr || segment->index != index) {
      auto found = core_.nodes.segment_for_write(node, index);
      if (!found) return std::move(found).error();
      segment = *found;
    }
    const format::BlockAddress old = segment->at(static_cast<std::uint32_t>(block % format::kSegmentBlocks)).address;
    if (old == format::kHole) ++fresh;
    if (old == format::kReserved) ++change.credit;
  }
  if (change.kind == Change::Kind::kPunch) {
    // The whole blocks in the middle lose their mapping; their segments have to be here for that.
    change.punched.clear();
    for (auto from = static_cast<std::uint32_t>(change.first_block() >> format::kSegmentShift);;) {
      constexpr std::size_t kBatch = 1024;
      auto found = core_.nodes.segments_from(node, from, kBatch);
      if (!found) return std::move(found).error();
      for (const std::uint32_t index : *found) {
        if ((std::uint64_t{index} << format::kSegmentShift) >= change.end_block()) return check_quota(fresh);
        auto loaded = core_.nodes.segment(node, index);
        if (!loaded) return std::move(loaded).error();
        change.punched.push_back(index);
        from = index + 1;
      }
      if (found->size() < kBatch) break;
    }
  }
  return check_quota(fresh);
}

Status Container::check_quota(std::uint64_t blocks) const {
  const format::ContainerRecord& container = state_.record;
  if (container.quota_bytes == 0 || blocks == 0) return {};
  if ((container.used_blocks + blocks) * kBlockBytes <= container.quota_bytes) return {};
  return Status(EDQUOT, "the container's quota of bytes is used up: delete something or raise it (ross container set)");
}

void Container::apply(Inode& node, Change& change) {
  for (std::size_t i = 0; i < change.target_count(); ++i) {
    const std::uint64_t block = change.target(i);
    const auto segment = node.segments.find(static_cast<std::uint32_t>(block >> format::kSegmentShift));
    ROSS_CHECK(segment != node.segments.end(), "a change applies to a segment that was not prepared");
    const auto index = static_cast<std::uint32_t>(block % format::kSegmentBlocks);
    if (segment->second->at(index).address == change.refs[i].address) {
      core_.nodes.set_block(*segment->second, index, change.refs[i]);  // changed in place in the append log
    } else {
      map_block(node, block, change.refs[i]);
    }
  }
  const std::uint64_t whole_begin = (change.begin + kBlockBytes - 1) / kBlockBytes;
  const std::uint64_t whole_end = change.end / kBlockBytes;
  for (const std::uint32_t index : change.punched) {
    const std::uint64_t base = std::uint64_t{index} << format::kSegmentShift;
    const std::uint64_t begin = std::max(base, whole_begin);
    const std::uint64_t end = std::min(base + format::kSegmentBlocks, whole_end);
    if (begin >= end) continue;
    free_blocks(node, *node.segments.at(index), static_cast<std::uint32_t>(begin - base),
                static_cast<std::uint32_t>(end - base));
  }
  if (change.silent) return;
  if (change.kind == Change::Kind::kWrite) node.record.size_bytes = std::max(node.record.size_bytes, change.end);
  node.record.mode = mode_after_write(change.privileged, node.record.mode);
  touch(node, true);
}

fs::Async<std::uint64_t> Container::write(fs::FileId file, std::uint64_t offset_bytes, memory::Memory from) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  ROSS_CO_TRY(const OpenFile* const open, find_file(file));
  if (!open->flags.write) co_return fail(EBADF);
  Inode& node = *open->inode;
  if (!node.is_regular()) co_return fail(EISDIR);
  const std::uint64_t size = from.size_bytes();
  const bool append = open->flags.append;
  const bool privileged = open->privileged;
  if (!append && (offset_bytes > fs::kFileBytesMax || size > fs::kFileBytesMax - offset_bytes)) co_return fail(EFBIG);
  core_.nodes.pin(node);
  Status status;
  std::uint64_t done = 0;
  while (done < size && status.ok()) {
    if (!core_.admits()) status = co_await core_.admit(lock);
    if (!status.ok()) break;
    const std::uint64_t piece = std::min(size - done, fs::kAtomicWriteBytes);
    Change part;
    part.append = append;
    part.privileged = privileged;
    part.begin = offset_bytes + done;
    part.end = part.begin + piece;
    part.from = from;
    part.from_at = done;
    status = co_await change(lock, node, part);
    if (status.ok()) done += piece;
    // With the last piece, while the mutex is still held.
    if (status.ok() && done == size) core_.remember(change_id, done);
  }
  core_.nodes.unpin(node);
  if (unwanted(node)) {
    if (Status reclaimed = co_await reclaim(lock, node); status.ok()) status = reclaimed;
  }
  if (!status.ok()) co_return fail(status);
  co_return done;
}

}  // namespace ross::engine
