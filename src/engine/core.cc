#include "engine/core.h"

#include <algorithm>

#include "base/log.h"
#include "base/units.h"

namespace ross::engine {
namespace {

// Reads and writes that cannot go straight go through buffers of this size; see data/.
constexpr std::size_t kBounceBytes = 128 * kKiB;
constexpr std::size_t kBounceBuffersMax = 512;

// Past the first number of changed records a commit is asked for; past the second, changes wait for it.
constexpr std::size_t kDirtySoft = 32 * 1024;
constexpr std::size_t kDirtyHard = 4 * kDirtySoft;

std::vector<std::uint64_t> blocks_of(const std::vector<std::unique_ptr<disk::Disk>>& disks) {
  std::vector<std::uint64_t> blocks;
  blocks.reserve(disks.size());
  for (const auto& disk : disks) blocks.push_back(disk->size_bytes() / format::kBlockBytes);
  return blocks;
}

// How the cache's memory is shared out; the rest is the store's block cache.
std::uint64_t node_share(const PoolOptions& options) { return options.cache_bytes / 2; }
std::size_t name_entries(const PoolOptions& options) { return static_cast<std::size_t>(options.cache_bytes / 4 / 128); }

}  // namespace

Core::Core(Parts parts)
    : options(std::move(parts.options)),
      store(std::move(parts.store)),
      disks(std::move(parts.disks)),
      space(blocks_of(disks)),
      append_log(space),
      nodes(*store, space, node_share(options)),
      names(name_entries(options)),
      mapped(std::all_of(disks.begin(), disks.end(), [](const auto& disk) { return disk->mapped() != nullptr; })),
      bounce({.buffer_bytes = kBounceBytes, .buffers_max = kBounceBuffersMax}),
      device_written_(std::make_unique<std::atomic<bool>[]>(disks.size())),
      loop_(std::move(parts.loop)) {}

Core::~Core() { ROSS_CHECK(!thread_.joinable(), "a pool was destroyed without stop()"); }

void Core::fail_pool(Status why) {
  if (!failure_.ok()) return;
  log().error("the pool takes no more changes: {}", why.message());
  failure_ = Status(why.error(), "the pool takes no more changes after an error (" + why.message() +
                                     "): see to the device and open the pool again");
  commit_waiters_.notify_all();
  reclaim_waiters.notify_all();
  keep_waiters_.notify_all();
  commit_done_.notify_all();
}

std::size_t Core::dirty_weight() const { return store->open_changes() + nodes.dirty_count(); }

bool Core::has_changes() const {
  const auto container_dirty = [](const auto& entry) { return entry.second.dirty; };
  return dirty_weight() > 0 || pool_record_dirty || space.has_drops() || append_log.has_obsolete() ||
         std::any_of(containers.begin(), containers.end(), container_dirty);
}

void Core::mark_dirty(ContainerState& container) {
  container.dirty = true;
  if (kept_log_ == nullptr || container.unkept) return;
  container.unkept = true;
  unkept_containers_.push_back(container.id);
}

void Core::request_commit() {
  if (commit_requested_) return;
  commit_requested_ = true;
  background_wake_.notify_one();
}

bool Core::admits() const { return failure_.ok() && first_change_ns_ != 0 && dirty_weight() < kDirtySoft; }

void Core::begin_transaction_timer() {
  if (first_change_ns_ != 0) return;
  first_change_ns_ = options.clock->monotonic_ns();
  background_wake_.notify_one();
}

bool Core::admit_in_passing() {
  if (!failure_.ok()) return false;
  begin_transaction_timer();
  if (dirty_weight() < kDirtySoft) return true;
  if (thread_.joinable()) request_commit();
  return false;
}

runtime::Task<Status> Core::admit(Lock& lock) {
  if (!failure_.ok()) co_return failure_;
  begin_transaction_timer();
  if (dirty_weight() < kDirtySoft) co_return Status();
  if (!thread_.joinable()) co_return co_await commit(lock);
  request_commit();
  while (dirty_weight() >= kDirtyHard && failure_.ok()) co_await commit_waiters_.wait(lock);
  co_return failure_;
}

runtime::Task<Status> Core::commit(Lock& lock) {
  const std::uint64_t target = has_changes() ? open_transaction_ : open_transaction_ - 1;
  while (durable_through_ < target) {
    if (!failure_.ok()) co_return failure_;
    const bool here = !thread_.joinable() || runtime::Loop::current()->blocking();
    if (here && !committing_) {
      if (Status status = run_commit(lock); !status.ok()) co_return status;
    } else {
      if (thread_.joinable()) request_commit();
      co_await commit_waiters_.wait(lock);
    }
  }
  co_return failure_;
}

Status Core::commit_blocking() {
  Lock lock(mutex);
  const std::uint64_t target = has_changes() ? open_transaction_ : open_transaction_ - 1;
  while (durable_through_ < target) {
    if (!failure_.ok()) return failure_;
    if (committing_) {
      commit_done_.wait(lock);
    } else if (Status status = run_commit(lock); !status.ok()) {
      return status;
    }
  }
  return failure_;
}

runtime::Task<Status> Core::make_append_room(Lock& lock) {
  if (!failure_.ok()) co_return failure_;
  if (!committing_ && (!thread_.joinable() || runtime::Loop::current()->blocking())) {
    co_return drain_full_chunks(lock);
  }
  background_wake_.notify_one();
  co_await commit_waiters_.wait(lock);
  co_return failure_;
}

runtime::Task<Result<bool>> Core::free_by_commit(Lock& lock) {
  if (!space.has_pending()) co_return false;
  // Twice: what a chunk's image holds back is retired when the first commit writes the chunk, and freed by the second.
  for (int round = 0; round < 2 && space.has_pending(); ++round) {
    append_log.close_open();
    if (Status status = co_await commit(lock); !status.ok()) co_return fail(status);
  }
  co_return true;
}

void Core::start_background() {
  thread_ = std::thread([this] { background(); });
}

Status Core::stop() {
  {
    const Lock lock(mutex);
    stopping_ = true;
    background_wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  Lock lock(mutex);
  append_log.close_open();
  lock.unlock();
  // The second commit forgets the log records of what the first one wrote to its place.
  ROSS_STATUS(commit_blocking());
  return commit_blocking();
}

void Core::background() {
  Lock lock(mutex);
  while (!stopping_) {
    const std::int64_t now = options.clock->monotonic_ns();
    const bool due = first_change_ns_ != 0 && now - first_change_ns_ >= options.commit_interval_ns;
    if (!failure_.ok() || committing_) {
      // A caller commits; it wakes us when it is done. Failed pools wait for stop().
      background_wake_.wait(lock);
    } else if (commit_requested_ || due) {
      if (has_changes()) {
        [[maybe_unused]] const Status told_by_failure = run_commit(lock);
      } else {
        commit_requested_ = false;
        first_change_ns_ = 0;
      }
    } else if (append_log.has_full()) {
      [[maybe_unused]] const Status told_by_failure = drain_full_chunks(lock);
    } else if (first_change_ns_ != 0) {
      background_wake_.wait_for(lock, std::chrono::nanoseconds(first_change_ns_ + options.commit_interval_ns - now));
    } else {
      background_wake_.wait(lock);
    }
  }
}

}  // namespace ross::engine
