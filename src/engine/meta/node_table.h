// NodeTable: the inodes in memory, each with the mapping segments that were used, and which of them changed.
//
// Inodes and segments are read from the store when first wanted and stay until memory is short, least used first. What is
// dirty (changed in the open transaction), committing, pinned or open stays. For what is in the table the table is right;
// for what is not the store is. A node that was deleted stays as `gone` until its deletion is committed.
//
// Pointers returned here are valid until trim() is called, and across that while pinned; trim() is called only at the start
// of an operation.
// Ownership: one per pool. Threading: guarded by the pool's mutex.
#pragma once

#include <absl/container/btree_map.h>
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/format/records.h"
#include "engine/meta/clock_list.h"
#include "engine/meta/meta_store.h"
#include "engine/names/lock_table.h"
#include "engine/space/space.h"
#include "runtime/sync.h"

namespace ross::engine {

struct Inode;

struct Segment {
  Inode* inode = nullptr;
  std::uint32_t index = 0;
  bool dirty = false;
  bool committing = false;
  bool unkept = false;                   // changed since the last keep, then also dirty
  std::vector<format::BlockRef> blocks;  // trailing holes may be left out
  ClockHook<Segment> clock;

  [[nodiscard]] bool evictable() const { return !dirty && !committing; }
  [[nodiscard]] format::BlockRef at(std::uint32_t block) const {
    return block < blocks.size() ? blocks[block] : format::BlockRef{};
  }
  [[nodiscard]] std::size_t memory_bytes() const {
    return sizeof(Segment) + 48 + blocks.capacity() * sizeof(format::BlockRef);
  }
};

struct Inode {
  format::NodeKey key;
  format::InodeRecord record;
  std::uint32_t pins = 0;   // operations under way
  std::uint32_t opens = 0;  // open files
  bool dirty = false;
  bool committing = false;
  bool unkept = false;              // changed since the last keep, then also dirty
  bool gone = false;                // deleted
  bool reclaiming = false;          // a long truncate is under way; what extends the file waits
  std::uint32_t busy_segments = 0;  // dirty or committing
  absl::btree_map<std::uint32_t, std::unique_ptr<Segment>> segments;
  std::unique_ptr<LockTable> locks;
  ClockHook<Inode> clock;

  [[nodiscard]] bool is_directory() const;
  [[nodiscard]] bool is_regular() const;
  [[nodiscard]] bool evictable() const {
    return pins == 0 && opens == 0 && !dirty && !committing && busy_segments == 0;
  }
};

class NodeTable {
 public:
  // Mappings that the store yields are checked against space: they may name referenced blocks only.
  NodeTable(MetaStore& store, const Space& space, std::uint64_t cache_bytes)
      : store_(store), space_(space), cache_bytes_(cache_bytes) {}

  // ESTALE when there is no such node.
  Result<Inode*> find(format::NodeKey key);
  // A new inode, dirty. The key must be unused.
  Inode* insert(format::NodeKey key, const format::InodeRecord& record);
  void mark_dirty(Inode& inode);
  // The node's record is to be deleted. Its segments are gone already.
  void mark_gone(Inode& inode);
  void pin(Inode& inode) { ++inode.pins; }
  void unpin(Inode& inode) { --inode.pins, settle_inode(inode); }
  void opened(Inode& inode) { ++inode.opens; }
  void closed(Inode& inode) { --inode.opens, settle_inode(inode); }

  // The segment, or null when the file has no block in it.
  Result<Segment*> segment(Inode& inode, std::uint32_t index);
  // The segment, made if it is not there.
  Result<Segment*> segment_for_write(Inode& inode, std::uint32_t index);
  void mark_dirty(Segment& segment);
  // Changes one block of the mapping and marks the segment dirty.
  void set_block(Segment& segment, std::uint32_t block, format::BlockRef ref);
  // The first segments at or behind `from` that may hold blocks: at most `most` of them.
  Result<std::vector<std::uint32_t>> segments_from(Inode& inode, std::uint32_t from, std::size_t most);

  [[nodiscard]] std::size_t dirty_count() const { return dirty_inodes_.size() + dirty_segments_.size(); }
  // Adds every change to batch; what changed is now committing.
  void seal(rocksdb::WriteBatch& batch);
  // The sealed changes are durable.
  void settle();
  // From here on what changes is listed for the next keep.
  void track_unkept() { tracks_unkept_ = true; }
  [[nodiscard]] bool has_unkept() const { return !unkept_inodes_.empty() || !unkept_segments_.empty(); }
  // Adds what changed since the last call or seal to record.
  void take_unkept(format::KeptRecord& record);
  // Lets go of the least recently used until the table fits its memory.
  void trim();
  [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }
  [[nodiscard]] std::size_t size() const { return inodes_.size(); }
  // Forgets every clean, unpinned node of a container that is being destroyed.
  void forget(format::ContainerId container);

 private:
  static constexpr std::size_t kInodeBytes = sizeof(Inode) + 64;
  void settle_inode(Inode& inode) {
    if (inode.evictable()) evictable_inodes_.add(inode);
  }
  // Lists what has not been listed since the last keep.
  template <class Item>
  void note_unkept(Item& item, std::vector<Item*>& list) const {
    if (!tracks_unkept_ || item.unkept) return;
    item.unkept = true;
    list.push_back(&item);
  }
  template <class Sink>
  void add_to(Sink& sink, const Inode& inode) const;
  template <class Sink>
  void add_to(Sink& sink, const Segment& segment) const;
  void evict(Inode& inode);
  void evict(Segment& segment);
  Segment* add_segment(Inode& inode, std::uint32_t index, std::vector<format::BlockRef> blocks);

  MetaStore& store_;
  const Space& space_;
  const std::uint64_t cache_bytes_;
  absl::flat_hash_map<format::NodeKey, std::unique_ptr<Inode>> inodes_;
  ClockList<Inode> evictable_inodes_;
  ClockList<Segment> evictable_segments_;
  std::vector<Inode*> dirty_inodes_;
  std::vector<Inode*> committing_inodes_;
  std::vector<Segment*> dirty_segments_;
  std::vector<Segment*> committing_segments_;
  bool tracks_unkept_ = false;
  std::vector<Inode*> unkept_inodes_;  // of the dirty ones
  std::vector<Segment*> unkept_segments_;
  std::uint64_t memory_bytes_ = 0;
};

}  // namespace ross::engine
