// Checker: the passes of fsck over one pool's store and devices.
//
// Scan reads every record once and gathers what is known of each node and block. Judge compares: names with link counts, directories
// with a tree, mappings with the space map, sums with what containers say. Data reads every block. Each difference becomes a
// finding and, with repair, a change in one batch that is written at the end: a repair that is cut short has
// changed nothing.
//
// Limits: about 100 bytes of memory a node, one bit a block. Threading: owner thread.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <rocksdb/write_batch.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "disk/disk.h"
#include "engine/format/records.h"
#include "engine/fsck.h"
#include "engine/meta/meta_store.h"
#include "runtime/loop.h"

namespace ross::engine {

// The directory below a container's root that repair moves nodes without a name into.
inline constexpr std::string_view kLostAndFound = "lost+found";

class Checker {
 public:
  // uuid: the pool that the store has to belong to; null when nobody knows (simulation).
  Checker(MetaStore& store, const std::vector<std::unique_ptr<disk::Disk>>& disks, const FsckOptions& options,
          Clock& clock, const format::Uuid* uuid);
  // The whole check. On success `report` is filled and, with repair, the store is mended.
  Status run(FsckReport& report);

 private:
  struct Node {
    format::InodeRecord record;
    std::uint32_t names = 0;
    std::uint32_t subdirectories = 0;
    std::uint64_t entries = 0;
    std::uint64_t blocks = 0;
    std::uint64_t named_in = 0;  // a directory that holds a name of it
    std::uint32_t segments_end = 0;
    std::uint64_t stored_end = 0;  // the block behind the last one with data
    bool orphan = false;
    bool has_xattrs = false;
    bool has_target = false;
    bool reached = false;
    bool changed = false;
  };
  struct ContainerFacts {
    format::ContainerRecord record;
    std::uint64_t blocks = 0;
    std::uint64_t reserved = 0;
    std::uint64_t nodes = 0;
    std::uint64_t next_node = 2;
    bool rebuilt = false;  // its record was damaged: whatever it says is new
  };

  // scan.cc
  Status scan_pool();
  Status judge_pool_record(std::uint32_t next_container);
  void judge_container_names();
  Status scan_nodes();
  void judge_roots();
  Status scan_entries();
  // Takes an entry over into its right place; false when another one is there already.
  bool refile(std::string_view key, format::NodeKey directory, std::string_view name, std::string_view value);
  Status scan_segments();
  Status scan_side_records();
  Status scan_clients();
  // Visits every record of a kind; key without its kind.
  Status each(format::KeyKind kind, const std::function<void(std::string_view key, std::string_view value)>& visit);
  Node* node_of(format::Reader& key, format::NodeKey& id);
  // Whether a device has the block, and data may lie there.
  [[nodiscard]] bool exists(format::BlockAddress address) const;
  // Marks a block as referenced; false when it is on no device or somebody's already.
  bool claim(format::BlockAddress address);

  // judge.cc
  void judge_tree();
  void judge_counts();
  void judge_containers();
  Status judge_space();
  void adopt(format::NodeKey id, Node& node);

  // data.cc
  // Blocks that several mappings name stay with the one whose checksum they match.
  Status settle_blocks_mapped_twice();
  // Reads device blocks that follow each other; 0 or a negative errno.
  int read_blocks(format::BlockAddress address, std::span<std::byte> into);
  Status check_data();
  void check_segment_data(format::NodeKey id, std::uint32_t segment, std::vector<format::BlockRef>& blocks,
                          std::span<std::byte> buffer, bool& changed);

  void found(std::string where, std::string what, bool mended);
  void drop_record(std::string_view key, std::string where, std::string what);
  [[nodiscard]] std::string place(format::NodeKey id);
  [[nodiscard]] std::string place(format::NodeKey directory, std::string_view name);
  void progress(std::uint64_t steps);

  MetaStore& store_;
  const std::vector<std::unique_ptr<disk::Disk>>& disks_;
  const FsckOptions& options_;
  Clock& clock_;
  const format::Uuid* const uuid_;
  std::unique_ptr<runtime::Loop> loop_;  // for device reads
  FsckReport* report_ = nullptr;
  rocksdb::WriteBatch fixes_;
  std::map<format::ContainerId, ContainerFacts> containers_;
  absl::flat_hash_map<format::NodeKey, Node> nodes_;
  std::vector<std::vector<bool>> claimed_;                           // per device and block
  absl::flat_hash_map<format::BlockAddress, std::string> deferred_;  // content that lives in the store's log
  std::map<format::ContainerId, format::NodeKey> lost_found_;
  std::set<std::string, std::less<>> refiled_;                                // the keys that entries were moved to
  std::map<std::string, std::vector<format::BlockRef>, std::less<>> mended_;  // mappings as they will be
  absl::flat_hash_set<format::BlockAddress> mapped_twice_;
  std::uint64_t steps_ = 0;
};

}  // namespace ross::engine
