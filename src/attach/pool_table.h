// PoolTable: the pools this process has open, shared by canonical path.
//
// A pool has one opener at a time, so everything in a process that names the same pool must use the same open
// pool: two containers of one job, a face and a command, an event queue and the thread beside it. The first user opens
// it, later users share it (the first one's options hold), the last one closes it.
//
//   ROSS_TRY(std::shared_ptr<PoolUse> use, table.use("/srv/ross/pool0", options));
//   use->pool().sync();
//   Status status = use->close();     // errors told; the destructor closes too and loses them
//
// After fork() the child starts with an empty table: its parent's pools stay the parent's.
// Ownership: a PoolUse keeps its pool open and outlives the table. Threading: any thread; opening or closing one
// pool does not hold up the others.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/status.h"
#include "engine/pool.h"

namespace ross::attach {

class PoolUse {
 public:
  ~PoolUse();
  PoolUse(const PoolUse&) = delete;
  PoolUse& operator=(const PoolUse&) = delete;

  // Valid until close().
  [[nodiscard]] engine::Pool& pool() const { return *pool_; }
  // Gives the share back: everything done so far is durable, and the last share closes the pool. Containers opened
  // through this share must be gone. A second call does nothing.
  Status close();

 private:
  friend class PoolTable;
  // One pool by path; pool is null while nobody uses it.
  struct Slot {
    std::mutex mutex;
    std::unique_ptr<engine::Pool> pool;  // guarded by mutex
    std::size_t users = 0;               // guarded by mutex
  };
  PoolUse(std::shared_ptr<Slot> slot, engine::Pool* pool);

  const std::shared_ptr<Slot> slot_;  // shared with the table and with the other users
  engine::Pool* pool_;                // null after close
  const pid_t pid_;
};

class PoolTable {
 public:
  using Open = std::function<Result<std::unique_ptr<engine::Pool>>(const std::filesystem::path& directory,
                                                                   const engine::PoolOptions& options)>;
  explicit PoolTable(Open open);

  // Opens with the table's opener, or with the one given. Errors: those of opening a pool.
  Result<std::shared_ptr<PoolUse>> use(const std::filesystem::path& directory, const engine::PoolOptions& options) {
    return use(directory, options, open_);
  }
  Result<std::shared_ptr<PoolUse>> use(const std::filesystem::path& directory, const engine::PoolOptions& options,
                                       const Open& open);
  // A pool that is no directory of this machine, by a key that no path is equal to.
  Result<std::shared_ptr<PoolUse>> use_named(const std::string& key,
                                             const std::function<Result<std::unique_ptr<engine::Pool>>()>& open);

 private:
  const Open open_;
  std::mutex mutex_;
  pid_t pid_;                                                    // guarded by mutex_
  std::map<std::string, std::shared_ptr<PoolUse::Slot>> slots_;  // guarded by mutex_
};

// The table of this process, which opens with engine::Pool::open.
PoolTable& process_pools();

}  // namespace ross::attach
