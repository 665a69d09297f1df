// MetaStore: the pool's metadata as keys and values: RocksDB below, the changes not yet committed above it in memory.
//
// Changes gather in the open transaction and are visible at once. seal() turns the open transaction into the
// committing one and yields it as one batch; write() makes a batch durable; settle() forgets the committing one once RocksDB has
// it. Reads look into the open transaction, then the committing one, then RocksDB. So a crash leaves the
// store at the end of some committed transaction, never between two changes of one.
//
// Ownership: one per pool. Threading: guarded by the pool's mutex, save write() and open(), which block on the
// device and are called without it. Errors: EIO with RocksDB's own words, ENOSPC when its file system is full.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/format/kept.h"
#include "engine/meta/changes.h"

// RocksDB's headers cost a second of compiling, and most of the engine only hands these on.
namespace rocksdb {
class DB;
class Env;
class Status;
class WriteBatch;
}  // namespace rocksdb

namespace ross::engine {

class MetaStore {
 public:
  struct Options {
    rocksdb::Env* env = nullptr;  // null: the machine's
    std::uint64_t cache_bytes = 32ULL << 20;
    std::uint64_t write_buffer_bytes = 32ULL << 20;
    bool create = false;
    bool read_only = false;
  };
  ~MetaStore();
  static Result<std::unique_ptr<MetaStore>> open(const std::string& path, const Options& options);
  static Status destroy(const std::string& path, rocksdb::Env* env);
  // Salvages what RocksDB can from a store that does not open.
  static Status repair(const std::string& path, rocksdb::Env* env);

  Result<std::optional<std::string>> get(std::string_view key);
  void put(std::string key, std::string value);
  void erase(std::string key);
  // Visits keys that begin with prefix, from `from` on (or the first), in order, until visit returns false.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  Status scan(std::string_view prefix, std::string_view from, const Visit& visit);

  [[nodiscard]] std::size_t open_changes() const { return open_.size(); }
  // Moves the open transaction to the committing one and adds it to batch. Only when none is committing.
  void seal(rocksdb::WriteBatch& batch);
  // Blocks until batch is durable.
  Status write(rocksdb::WriteBatch& batch);
  void settle() { committing_.clear(); }

  // From here on what changes is listed for the next keep.
  void track_unkept() { tracks_unkept_ = true; }
  [[nodiscard]] bool has_unkept() const { return !unkept_.empty(); }
  // Adds what changed since the last call or seal to record.
  void take_unkept(format::KeptRecord& record);
  // Approximate heap and cache use.
  [[nodiscard]] std::uint64_t memory_bytes() const;

 private:
  explicit MetaStore(std::unique_ptr<rocksdb::DB> db);
  std::unique_ptr<rocksdb::DB> db_;
  void note_unkept(Change& change) {
    if (!tracks_unkept_ || change.unkept) return;
    change.unkept = true;
    unkept_.push_back(&change);
  }
  Changes open_;
  Changes committing_;
  bool tracks_unkept_ = false;
  std::vector<Change*> unkept_;  // of open_
};

Status from_rocksdb(const rocksdb::Status& status, std::string_view doing);

}  // namespace ross::engine
