#include "engine/meta/node_table.h"

#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace ross::engine {

using format::BlockRef;
using format::KeyKind;

bool Inode::is_directory() const { return S_ISDIR(record.mode); }
bool Inode::is_regular() const { return S_ISREG(record.mode); }

Result<Inode*> NodeTable::find(format::NodeKey key) {
  if (const auto found = inodes_.find(key); found != inodes_.end()) {
    Inode& inode = *found->second;
    if (inode.gone) return fail(ESTALE);
    inode.clock.used = true;
    return &inode;
  }
  ROSS_TRY(const auto stored, store_.get(format::node_key(KeyKind::kInode, key)));
  if (!stored) return fail(ESTALE);
  ROSS_TRY(const format::InodeRecord record, format::decode_inode(*stored));
  auto made = std::make_unique<Inode>();
  made->key = key;
  made->record = record;
  Inode* const inode = made.get();
  inodes_.emplace(key, std::move(made));
  memory_bytes_ += kInodeBytes;
  evictable_inodes_.add(*inode);
  return inode;
}

Inode* NodeTable::insert(format::NodeKey key, const format::InodeRecord& record) {
  auto made = std::make_unique<Inode>();
  made->key = key;
  made->record = record;
  Inode* const inode = made.get();
  const bool inserted = inodes_.emplace(key, std::move(made)).second;
  ROSS_CHECK(inserted, "a new node has the number of an old one");
  memory_bytes_ += kInodeBytes;
  mark_dirty(*inode);
  return inode;
}

void NodeTable::mark_dirty(Inode& inode) {
  note_unkept(inode, unkept_inodes_);
  if (inode.dirty) return;
  inode.dirty = true;
  dirty_inodes_.push_back(&inode);
}

void NodeTable::mark_gone(Inode& inode) {
  inode.gone = true;
  inode.clock.used = false;  // the first to go
  mark_dirty(inode);
}

Segment* NodeTable::add_segment(Inode& inode, std::uint32_t index, std::vector<BlockRef> blocks) {
  auto made = std::make_unique<Segment>();
  made->inode = &inode;
  made->index = index;
  made->blocks = std::move(blocks);
  Segment* const segment = made.get();
  inode.segments.emplace(index, std::move(made));
  memory_bytes_ += segment->memory_bytes();
  return segment;
}

Result<Segment*> NodeTable::segment(Inode& inode, std::uint32_t index) {
  if (const auto found = inode.segments.find(index); found != inode.segments.end()) {
    Segment& segment = *found->second;
    segment.clock.used = true;
    return &segment;
  }
  if (index >= inode.record.segments_end) return nullptr;
  ROSS_TRY(const auto stored, store_.get(format::segment_key(inode.key, index)));
  std::vector<BlockRef> blocks;
  if (stored) {
    ROSS_TRY(blocks, format::decode_segment(*stored));
    for (const BlockRef& ref : blocks) {
      if (format::is_stored(ref.address) && !space_.is_referenced(ref.address)) {
        return fail(EIO, "a mapping names a block that is not in use: run ross fsck on the pool");
      }
    }
  }
  Segment* const segment = add_segment(inode, index, std::move(blocks));
  evictable_segments_.add(*segment);
  return segment;
}

Result<Segment*> NodeTable::segment_for_write(Inode& inode, std::uint32_t index) {
  ROSS_TRY(Segment * segment, this->segment(inode, index));
  if (segment == nullptr) {
    segment = add_segment(inode, index, {});
    mark_dirty(*segment);
  }
  // Also for a segment that a truncate emptied and that is still here: the end was lowered then.
  if (index >= inode.record.segments_end) {
    inode.record.segments_end = index + 1;
    mark_dirty(inode);
  }
  return segment;
}

void NodeTable::mark_dirty(Segment& segment) {
  note_unkept(segment, unkept_segments_);
  if (segment.dirty) return;
  if (!segment.committing) ++segment.inode->busy_segments;
  segment.dirty = true;
  dirty_segments_.push_back(&segment);
}

void NodeTable::set_block(Segment& segment, std::uint32_t block, BlockRef ref) {
  if (block >= segment.blocks.size()) {
    if (ref.address == format::kHole) return;
    const std::size_t before = segment.memory_bytes();
    segment.blocks.resize(block + 1);
    memory_bytes_ += segment.memory_bytes() - before;
  }
  segment.blocks[block] = ref;
  mark_dirty(segment);
}

Result<std::vector<std::uint32_t>> NodeTable::segments_from(Inode& inode, std::uint32_t from, std::size_t most) {
  std::vector<std::uint32_t> found;
  const std::string prefix = format::node_key(KeyKind::kSegment, inode.key);
  // Sealed segments are in a batch that RocksDB may not have yet, but they are in the table, so table and store together
  // know every segment; the table is right where it has one.
  auto cached = inode.segments.lower_bound(from);
  const auto take_cached_below = [&](std::uint32_t bound) {
    for (; cached != inode.segments.end() && cached->first < bound && found.size() < most; ++cached) {
      const auto& blocks = cached->second->blocks;
      if (std::any_of(blocks.begin(), blocks.end(), [](const BlockRef& ref) { return ref.address != format::kHole; })) {
        found.push_back(cached->first);
      }
    }
  };
  if (from < inode.record.segments_end) {
    ROSS_OK(store_.scan(prefix, format::segment_key(inode.key, from), [&](std::string_view key, std::string_view) {
      format::Reader in(key.substr(prefix.size()));
      const auto index = in.big<std::uint32_t>();
      take_cached_below(index);
      if (found.size() >= most) return false;
      if (!inode.segments.contains(index)) found.push_back(index);
      return found.size() < most;
    }));
  }
  take_cached_below(UINT32_MAX);
  return found;
}

namespace {

// A batch of the store, with the names of a record of the kept log.
struct BatchSink {
  rocksdb::WriteBatch& batch;
  void put(const std::string& key, const std::string& value) { batch.Put(key, value); }
  void erase(const std::string& key) { batch.Delete(key); }
};

}  // namespace

template <class Sink>
void NodeTable::add_to(Sink& sink, const Segment& segment) const {
  const std::string key = format::segment_key(segment.inode->key, segment.index);
  const std::string value = format::encode_segment(segment.blocks);
  if (value.empty()) {
    sink.erase(key);
  } else {
    sink.put(key, value);
  }
}

template <class Sink>
void NodeTable::add_to(Sink& sink, const Inode& inode) const {
  const std::string key = format::node_key(KeyKind::kInode, inode.key);
  if (inode.gone) {
    sink.erase(key);
  } else {
    sink.put(key, format::encode(inode.record));
  }
}

void NodeTable::take_unkept(format::KeptRecord& record) {
  for (Segment* segment : unkept_segments_) {
    segment->unkept = false;
    add_to(record, *segment);
  }
  for (Inode* inode : unkept_inodes_) {
    inode->unkept = false;
    add_to(record, *inode);
  }
  unkept_segments_.clear();
  unkept_inodes_.clear();
}

void NodeTable::seal(rocksdb::WriteBatch& batch) {
  ROSS_CHECK(committing_inodes_.empty() && committing_segments_.empty(), "two transactions commit at once");
  for (Segment* segment : unkept_segments_) segment->unkept = false;
  for (Inode* inode : unkept_inodes_) inode->unkept = false;
  unkept_segments_.clear();
  unkept_inodes_.clear();
  BatchSink sink{batch};
  committing_inodes_.swap(dirty_inodes_);
  committing_segments_.swap(dirty_segments_);
  for (Segment* segment : committing_segments_) {
    segment->dirty = false;
    segment->committing = true;
    add_to(sink, *segment);
  }
  for (Inode* inode : committing_inodes_) {
    inode->dirty = false;
    inode->committing = true;
    add_to(sink, *inode);
  }
}

void NodeTable::settle() {
  for (Segment* segment : committing_segments_) {
    segment->committing = false;
    if (segment->dirty) continue;
    --segment->inode->busy_segments;
    evictable_segments_.add(*segment);
    settle_inode(*segment->inode);
  }
  committing_segments_.clear();
  for (Inode* inode : std::exchange(committing_inodes_, {})) {
    inode->committing = false;
    settle_inode(*inode);
  }
}

void NodeTable::evict(Segment& segment) {
  evictable_segments_.remove(segment);
  memory_bytes_ -= segment.memory_bytes();
  segment.inode->segments.erase(segment.index);
}

void NodeTable::evict(Inode& inode) {
  for (const auto& [index, segment] : inode.segments) {
    evictable_segments_.remove(*segment);
    memory_bytes_ -= segment->memory_bytes();
  }
  evictable_inodes_.remove(inode);
  memory_bytes_ -= kInodeBytes;
  inodes_.erase(inode.key);
}

// Inodes go before the segments of other inodes only when they are the older half of the table, so that one big file
// in use keeps its mapping while a tree walk passes through.
void NodeTable::trim() {
  if (memory_bytes_ <= cache_bytes_) return;
  const std::uint64_t inode_share = cache_bytes_ / 2;
  const auto trim_inodes = [&](std::uint64_t bytes_kept) {
    while (memory_bytes_ > cache_bytes_ && evictable_inodes_.size() * kInodeBytes > bytes_kept) {
      Inode* const inode = evictable_inodes_.take();
      if (inode == nullptr) return;
      evict(*inode);
    }
  };
  trim_inodes(inode_share);
  while (memory_bytes_ > cache_bytes_) {
    Segment* const segment = evictable_segments_.take();
    if (segment == nullptr) break;
    evict(*segment);
  }
  trim_inodes(0);
}

void NodeTable::forget(format::ContainerId container) {
  evictable_inodes_.each([&](Inode& inode) {
    if (inode.key.container == container && inode.evictable()) evict(inode);
  });
}

}  // namespace ross::engine
