// Core: what all operations of a pool share: its metadata in memory, its space, its devices and its commits, under one mutex.
//
// An operation takes the mutex, works on memory, gives it back, and only then waits for devices; what it decided
// before a wait it checks again after it. docs/architecture.md and decisions/0001 say why one mutex.
//
// Ownership: made by the pool, outlives every operation. Threading: guarded; members say what needs no mutex.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "disk/disk.h"
#include "engine/clients.h"
#include "engine/data/append_log.h"
#include "engine/format/kept.h"
#include "engine/format/records.h"
#include "engine/kept/kept_log.h"
#include "engine/meta/meta_store.h"
#include "engine/meta/node_table.h"
#include "engine/names/name_cache.h"
#include "engine/pool.h"
#include "engine/space/space.h"
#include "fs/change_id.h"
#include "memory/buffer_pool.h"
#include "runtime/loop.h"
#include "runtime/sync.h"

namespace ross::engine {

using Lock = std::unique_lock<std::mutex>;

// A container in memory: its record, and what is open in it.
struct ContainerState {
  format::ContainerId id;
  format::ContainerRecord record;
  bool dirty = false;
  bool unkept = false;      // changed since the last keep, then also dirty
  std::uint32_t opens = 0;  // open_container() minus destruction
};

class Core {
 public:
  // Constant after construction.
  struct Parts {
    std::unique_ptr<MetaStore> store;
    std::vector<std::unique_ptr<disk::Disk>> disks;
    std::unique_ptr<runtime::Loop> loop;  // for the commits' own device writes
    PoolOptions options;
  };
  explicit Core(Parts parts);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  std::mutex mutex;
  const PoolOptions options;
  const std::unique_ptr<MetaStore> store;
  const std::vector<std::unique_ptr<disk::Disk>> disks;

  // Guarded by mutex.
  Space space;
  AppendLog append_log;
  NodeTable nodes;
  NameCache names;
  format::PoolRecord pool_record;
  bool pool_record_dirty = false;
  std::map<format::ContainerId, ContainerState> containers;
  std::map<std::string, format::ContainerId, std::less<>> container_names;
  runtime::WaitQueue reclaim_waiters;                               // for Inode::reclaiming
  std::unordered_map<std::uint64_t, std::uint64_t> blocked_owners;  // lock owner -> the owner it waits for
  absl::flat_hash_set<ClientId> clients;                            // whose changes are remembered
  bool holding_orphans = false;  // nodes without a name stay, also when nobody has them open

  const bool mapped;          // every device is memory: transfers are copies
  memory::BufferPool bounce;  // for what cannot go straight to the caller's memory; guards itself

  [[nodiscard]] std::int64_t now_ns() const { return options.clock->realtime_ns(); }
  // Why the pool takes no more changes; ok when it does. Call with the mutex held.
  [[nodiscard]] const Status& failure() const { return failure_; }
  // The pool takes no more changes: what could not be made durable is lost, and everybody is told. Mutex held.
  void fail_pool(Status why);

  // Call at the start of every changing operation, with the mutex held: EIO when the pool failed; waits (unlocked) while
  // too much is uncommitted.
  runtime::Task<Status> admit(Lock& lock);
  // Whether admit() would return at once; spares the common case a coroutine.
  [[nodiscard]] bool admits() const;

  // For a change that no caller waits for, such as an access time: whether it may be made now. Mutex held.
  bool admit_in_passing();

  // The container's record changed. Mutex held.
  void mark_dirty(ContainerState& container);
  void mark_pool_record_dirty() { pool_record_dirty = pool_record_unkept_ = true; }

  // Waits until everything changed so far is durable. Mutex held at call and return, not between.
  runtime::Task<Status> commit(Lock& lock);
  // The same for plain code, blocking.
  Status commit_blocking();
  // Asks the background thread to commit soon. Mutex held.
  void request_commit();
  // A full chunk waits for the device: wakes the background thread, or writes it here when there is none.
  runtime::Task<Status> make_append_room(Lock& lock);
  // An allocation failed: if a commit would free blocks, commits, and true means: try again.
  runtime::Task<Result<bool>> free_by_commit(Lock& lock);

  // keep.cc: what lets changes outlive the process; see clients.h.
  //
  // The number of the transaction that is open now, when the pool opens. From here on each commit writes its number down.
  void number_transactions(std::uint64_t open_transaction);
  // From here on keep() writes to log; null: it commits. Before the pool is shared, with nothing changed.
  void start_keeping(std::unique_ptr<KeptLog> log);
  // Everything changed so far survives the end of the process. Takes the mutex itself.
  runtime::Task<Status> keep();
  // Remembers that a change was made, with the change itself: in the same hold of the mutex. Nothing for a change without a
  // name, or of a client that is not known.
  void remember(const fs::ChangeId& id, std::uint64_t value, const fs::Attr* attr = nullptr, bool created = false) {
    if (id.set()) remember_named(id, value, attr, created);
  }

  void start_background();
  // Stops the thread and commits what is left.
  Status stop();

  // A write to the device completed; the next commit flushes it. No mutex needed.
  void note_device_write(std::uint32_t device) { device_written_[device].store(true, std::memory_order_relaxed); }

 private:
  // What a commit took out of memory under the mutex.
  struct Sealed;
  [[nodiscard]] bool has_changes() const;
  [[nodiscard]] std::size_t dirty_weight() const;
  void begin_transaction_timer();
  void seal(Sealed& sealed);
  Status run_commit(Lock& lock);
  Status drain_full_chunks(Lock& lock);
  struct ChunkWrite;
  Status write_chunks(std::vector<ChunkWrite>& writes);
  Status flush_devices();
  void background();

  // keep.cc; mutex held.
  [[nodiscard]] bool has_unkept() const;
  // Whether a keep can go to the log of the open transaction.
  [[nodiscard]] bool log_takes() const;
  [[nodiscard]] bool log_is_free() const { return !keeping_ && durable_through_ >= unlogged_through_; }
  void take_unkept(format::KeptRecord& record);
  void forget_unkept();
  Status run_keep(Lock& lock);  // log_takes() and log_is_free()
  runtime::Task<Status> keep_with_others();
  // Before a seal: takes what is unkept for the sealed transaction's log, and then append_last() is to follow; or has keeps
  // wait for the commit.
  bool begin_last_keep();
  void append_last(Lock& lock, std::uint64_t transaction);
  void end_keep(std::uint64_t transaction, const Status& status);
  void remember_named(const fs::ChangeId& id, std::uint64_t value, const fs::Attr* attr, bool created);

  // Guarded by mutex.
  Status failure_;
  std::uint64_t open_transaction_ = 1;
  std::uint64_t durable_through_ = 0;
  bool committing_ = false;  // also stands for the right to use loop_ and to write chunks
  bool commit_requested_ = false;
  bool stopping_ = false;
  std::int64_t first_change_ns_ = 0;
  runtime::WaitQueue commit_waiters_;
  std::condition_variable commit_done_;
  std::condition_variable background_wake_;

  // Guarded by mutex: keeps.
  bool numbers_transactions_ = false;
  bool keeping_ = false;                         // also stands for the right to use kept_log_ and kept_record_
  std::uint64_t keeps_begun_ = 0;                // a keep covers what was changed before it began
  std::uint64_t keeps_done_ = 0;                 // all up to this one are in the log
  std::uint64_t unlogged_through_ = 0;           // up to this transaction only a commit keeps
  std::uint64_t broken_log_ = 0;                 // the transaction whose log failed
  std::array<std::uint32_t, 2> kept_records_{};  // in the log of the open and of the committing transaction
  std::array<std::uint64_t, 2> kept_bytes_{};
  std::vector<format::ContainerId> unkept_containers_;
  bool pool_record_unkept_ = false;
  runtime::WaitQueue keep_waiters_;
  std::condition_variable keep_done_;
  std::unique_ptr<KeptLog> kept_log_;  // constant once the pool is shared
  format::KeptRecord kept_record_;

  std::unique_ptr<std::atomic<bool>[]> device_written_;  // any thread
  const std::unique_ptr<runtime::Loop> loop_;            // whoever holds committing_
  std::thread thread_;
};

}  // namespace ross::engine
