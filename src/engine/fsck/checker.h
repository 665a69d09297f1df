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
#include <rocksdb/write_batch.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "disk/disk.h"
#include "engine/format/records.h"
#include "engine/fsck.h"
#include "engine/meta/meta_store.h"

namespace ross::engine {

class Checker {
 public:
  Checker(MetaStore& store, const std::vector<std::unique_ptr<disk::Disk>>& disks, const FsckOptions& options,
          Clock& clock);
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
  };

  // scan.cc
  Status scan_pool();
  Status scan_nodes();
  Status scan_entries();
  Status scan_segments();
  Status scan_side_records();
  // Visits every record of a kind; key without its kind.
  Status each(format::KeyKind kind, const std::function<void(std::string_view key, std::string_view value)>& visit);
  Node* node_of(format::Reader& key, format::NodeKey& id);
  // Marks a block as referenced; false when it is on no device or somebody's already.
  bool claim(format::BlockAddress address);

  // judge.cc
  void judge_tree();
  void judge_counts();
  void judge_containers();
  Status judge_space();
  void adopt(format::NodeKey id, Node& node);

  // data.cc
  Status check_data();
  Status check_segment_data(format::NodeKey id, std::uint32_t segment, std::vector<format::BlockRef>& blocks,
                            std::vector<std::byte>& buffer, bool& changed);

  void found(std::string where, std::string what, bool mended);
  void drop_record(std::string_view key, std::string where, std::string what);
  [[nodiscard]] std::string place(format::NodeKey id);
  void progress(std::uint64_t steps);

  MetaStore& store_;
  const std::vector<std::unique_ptr<disk::Disk>>& disks_;
  const FsckOptions& options_;
  Clock& clock_;
  FsckReport* report_ = nullptr;
  rocksdb::WriteBatch fixes_;
  std::map<format::ContainerId, ContainerFacts> containers_;
  absl::flat_hash_map<format::NodeKey, Node> nodes_;
  std::vector<std::vector<bool>> claimed_;                           // per device and block
  absl::flat_hash_map<format::BlockAddress, std::string> deferred_;  // content that lives in the store's log
  std::map<format::ContainerId, format::NodeKey> lost_found_;
  std::uint64_t steps_ = 0;
};

}  // namespace ross::engine
