// The keep: how changes outlive the process before they are durable.
//
// 1. Under the mutex: what changed since the last keep is gathered into one record: keys with their new values, and the images of
//    small blocks that no device has yet. Larger data is on its device, or in the kernel's hands, since before it was named.
// 2. Without it: the record is appended to the open transaction's log, in the page cache. Nothing is flushed.
// 3. Whoever came meanwhile shares the next keep.
//
// Nothing is sealed: the transaction stays open, a commit writes all of it to the store as if nothing had been kept, and then
// its log is forgotten. So the store holds only what is durable, and blocks become free only behind a commit.
//
// A log is of use only from its beginning and on top of the transaction before. So before a commit seals a transaction that has
// a log, the rest of it goes into the log as well. Where a part is missing (nobody kept anything, or the log failed), keeps
// of the next transaction wait until the commit is done.
#include "base/log.h"
#include "base/units.h"
#include "engine/core.h"
#include "engine/format/client_records.h"

namespace ross::engine {
namespace {

// A log holds the images of small writes, and its records are read at once when the pool opens. Past the first a commit is
// asked for, past the second keeps wait for it.
constexpr std::uint64_t kLogSoftBytes = 64 * kMiB;
constexpr std::uint64_t kLogHardBytes = 256 * kMiB;

}  // namespace

void Core::number_transactions(std::uint64_t open_transaction) {
  numbers_transactions_ = true;
  open_transaction_ = open_transaction;
  durable_through_ = open_transaction - 1;
}

void Core::start_keeping(std::unique_ptr<KeptLog> log) {
  const Lock lock(mutex);
  ROSS_CHECK(dirty_weight() == 0 && !pool_record_dirty, "keeps begin with a transaction");
  kept_log_ = std::move(log);
  pool_record_unkept_ = false;
  if (kept_log_ == nullptr) return;
  store->track_unkept();
  nodes.track_unkept();
  space.track_unkept();
}

bool Core::has_unkept() const {
  return store->has_unkept() || nodes.has_unkept() || !unkept_containers_.empty() || pool_record_unkept_;
}

bool Core::log_takes() const {
  const std::uint64_t bytes_max = thread_.joinable() ? kLogHardBytes : kLogSoftBytes;
  return kept_log_ != nullptr && broken_log_ != open_transaction_ && kept_bytes_[open_transaction_ % 2] < bytes_max;
}

void Core::take_unkept(format::KeptRecord& record) {
  store->take_unkept(record);
  nodes.take_unkept(record);
  for (const Space::ChunkId& id : space.take_unkept()) {
    const std::string key = format::space_key(static_cast<std::uint8_t>(id.device), id.chunk);
    const std::string bits = space.store_chunk(id.device, id.chunk);
    if (bits.empty()) {
      record.erase(key);
    } else {
      record.put(key, bits);
    }
  }
  for (const format::ContainerId id : std::exchange(unkept_containers_, {})) {
    const auto container = containers.find(id);
    if (container == containers.end()) continue;  // destroyed; its record is among the store's changes
    container->second.unkept = false;
    record.put(format::container_key(id), format::encode(container->second.record));
  }
  if (std::exchange(pool_record_unkept_, false)) record.put(format::pool_key(), format::encode(pool_record));
  append_log.take_unkept([&record](format::BlockAddress address, const std::byte* image) {
    record.put(format::deferred_key(static_cast<std::uint8_t>(format::device_of(address)), format::block_of(address)),
               {reinterpret_cast<const char*>(image), format::kBlockBytes});
  });
}

// The transaction is being sealed. The store's and the nodes' own lists end with their seal.
void Core::forget_unkept() {
  for (const format::ContainerId id : std::exchange(unkept_containers_, {})) {
    const auto container = containers.find(id);
    if (container != containers.end()) container->second.unkept = false;
  }
  pool_record_unkept_ = false;
  [[maybe_unused]] const auto sealed = space.take_unkept();
  append_log.forget_unkept();
}

Status Core::run_keep(Lock& lock) {
  keeping_ = true;
  ++keeps_begun_;
  kept_record_.clear();
  take_unkept(kept_record_);
  const std::uint64_t transaction = open_transaction_;
  const std::uint32_t records_before = kept_records_[(transaction - 1) % 2];
  Status status;
  if (!kept_record_.empty()) {
    lock.unlock();
    status = kept_log_->append(transaction, records_before, kept_record_);
    lock.lock();
  }
  end_keep(transaction, status);
  return status;
}

bool Core::begin_last_keep() {
  const bool has_log = kept_records_[open_transaction_ % 2] > 0 || !keep_waiters_.empty();
  const bool broken = broken_log_ == open_transaction_;
  if (has_unkept() && has_log && !broken) {
    keeping_ = true;
    ++keeps_begun_;
    kept_record_.clear();
    take_unkept(kept_record_);
    return true;
  }
  if (has_unkept() || broken) unlogged_through_ = open_transaction_;
  return false;
}

void Core::append_last(Lock& lock, std::uint64_t transaction) {
  const std::uint32_t records_before = kept_records_[(transaction - 1) % 2];
  Status status;
  if (!kept_record_.empty()) {
    lock.unlock();
    status = kept_log_->append(transaction, records_before, kept_record_);
    lock.lock();
  }
  if (!status.ok()) unlogged_through_ = transaction;
  end_keep(transaction, status);
}

void Core::end_keep(std::uint64_t transaction, const Status& status) {
  keeping_ = false;
  if (status.ok()) {
    keeps_done_ = keeps_begun_;
    if (!kept_record_.empty()) {
      ++kept_records_[transaction % 2];
      kept_bytes_[transaction % 2] += kept_record_.size_bytes();
    }
    if (kept_bytes_[transaction % 2] >= kLogSoftBytes && thread_.joinable()) request_commit();
  } else {
    // Told once while it lasts: a full disk would tell it with every commit.
    const bool told = broken_log_ != 0 && broken_log_ + 1 >= transaction;
    broken_log_ = transaction;
    if (!told) log().warn("changes are kept by commits, which is slower, until this passes: {}", status.message());
  }
  keep_waiters_.notify_all();
  keep_done_.notify_all();
}

runtime::Task<Status> Core::keep() {
  {
    Lock lock(mutex);
    if (!failure_.ok()) return runtime::Task<Status>::ready(failure_);
    if (log_takes() && log_is_free()) {
      if (!has_unkept()) return runtime::Task<Status>::ready(Status());
      if (run_keep(lock).ok()) return runtime::Task<Status>::ready(Status());
    }
  }
  return keep_with_others();
}

runtime::Task<Status> Core::keep_with_others() {
  Lock lock(mutex);
  // A keep that begins from now on covers everything; one under way does when nothing changed since it began.
  const std::uint64_t target = has_unkept() ? keeps_begun_ + 1 : keeps_begun_;
  for (;;) {
    if (!failure_.ok()) co_return failure_;
    if (kept_log_ != nullptr && keeps_done_ >= target && durable_through_ >= unlogged_through_) co_return Status();
    if (!log_takes()) co_return co_await commit(lock);
    if (log_is_free()) {
      [[maybe_unused]] const Status seen_by_log_takes = run_keep(lock);
    } else {
      co_await keep_waiters_.wait(lock);
    }
  }
}

void Core::remember_named(const fs::ChangeId& id, std::uint64_t value, const fs::Attr* attr, bool created) {
  if (!clients.contains(id.client)) return;
  begin_transaction_timer();  // a create() that only opened changed nothing else
  RememberedChange change{.slot = id.slot, .sequence = id.sequence, .value = value, .attr = {}, .created = created};
  if (attr != nullptr) change.attr = *attr;
  store->put(format::remembered_key(id.client, id.slot), format::encode(change));
}

}  // namespace ross::engine
