// The commit: how changes in memory become durable.
//
// 1. Seal, under the mutex: every changed record goes into one batch; from here on changes belong to the next transaction.
// 2. Data first: chunk images that the batch names are written to their devices, then every device that was written to is
//    flushed. So what the batch will name is there before it.
// 3. One synced write of the batch to the store. This is the moment the transaction exists.
// 4. Settle, under the mutex: what was dropped becomes free, waiters wake.
//
// A commit with only a few small blocks skips step 2: the blocks ride in the batch (W records) and one flush does it all.
#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include "base/units.h"
#include "engine/core.h"

namespace ross::engine {

using format::kBlockBytes;

namespace {

// New blocks up to this many ride in the store's log instead of paying a device write and a flush of their own.
constexpr std::uint32_t kDeferredBlocksMax = 16;

}  // namespace

// A part of a chunk on its way to the device.
struct Core::ChunkWrite {
  AppendLog::Chunk* chunk;
  std::uint32_t first;
  std::uint32_t end;
  disk::Request request;
};

struct Core::Sealed {
  rocksdb::WriteBatch batch;
  std::vector<ChunkWrite> writes;
};

void Core::seal(Sealed& sealed) {
  if (numbers_transactions_) sealed.batch.Put(format::transaction_key(), format::encode_transaction(open_transaction_));
  if (kept_log_ != nullptr) forget_unkept();
  store->seal(sealed.batch);
  nodes.seal(sealed.batch);
  for (const Space::ChunkId& id : space.take_changed()) {
    const std::string key = format::space_key(static_cast<std::uint8_t>(id.device), id.chunk);
    const std::string bits = space.store_chunk(id.device, id.chunk);
    if (bits.empty()) {
      sealed.batch.Delete(key);
    } else {
      sealed.batch.Put(key, bits);
    }
  }
  for (auto& [id, container] : containers) {
    if (!std::exchange(container.dirty, false)) continue;
    sealed.batch.Put(format::container_key(id), format::encode(container.record));
  }
  if (std::exchange(pool_record_dirty, false)) sealed.batch.Put(format::pool_key(), format::encode(pool_record));
  for (const format::BlockAddress address : append_log.take_obsolete()) {
    const auto device = static_cast<std::uint8_t>(format::device_of(address));
    sealed.batch.Delete(format::deferred_key(device, format::block_of(address)));
  }
  space.seal_drops();

  for (AppendLog::Chunk* chunk : append_log.take_full()) {
    sealed.writes.push_back({.chunk = chunk, .first = chunk->written, .end = chunk->filled, .request = {}});
  }
  AppendLog::Chunk* const open = append_log.open();
  if (open == nullptr || open->sealed == open->filled) return;
  bool flush_anyway = !sealed.writes.empty();
  for (std::size_t i = 0; i < disks.size(); ++i) flush_anyway |= device_written_[i].load(std::memory_order_relaxed);
  if (flush_anyway || open->filled - open->sealed > kDeferredBlocksMax) {
    sealed.writes.push_back({.chunk = open, .first = open->written, .end = open->filled, .request = {}});
  } else {
    for (std::uint32_t block = open->sealed; block < open->filled; ++block) {
      const format::BlockAddress address = open->extent.address + block;
      if (!space.is_referenced(address)) continue;  // overwritten already
      const auto device = static_cast<std::uint8_t>(format::device_of(address));
      sealed.batch.Put(format::deferred_key(device, format::block_of(address)),
                       rocksdb::Slice(reinterpret_cast<const char*>(open->at(block)), kBlockBytes));
      open->deferred.push_back(address);
    }
  }
  open->sealed = open->filled;
}

Status Core::write_chunks(std::vector<ChunkWrite>& writes) {
  if (writes.empty()) return {};
  const runtime::Loop::Scope scope(*loop_);
  disk::Batch batch;
  for (ChunkWrite& write : writes) {
    const format::BlockAddress address = write.chunk->extent.address + write.first;
    const std::uint32_t device = format::device_of(address);
    const std::span<const std::byte> image(write.chunk->at(write.first),
                                           std::size_t{write.end - write.first} * kBlockBytes);
    batch.submit(*disks[device], write.request.write(format::block_of(address) * kBlockBytes, image));
    note_device_write(device);
  }
  const auto all_done = [](disk::Batch& pending) -> runtime::Task<int> { co_return co_await pending; };
  const int error = loop_->block_on(all_done(batch));
  if (error < 0) return Status(-error, fmt::format("writing to a device failed: {}", Status(-error).message()));
  return {};
}

Status Core::flush_devices() {
  for (std::size_t i = 0; i < disks.size(); ++i) {
    if (!device_written_[i].exchange(false, std::memory_order_acq_rel)) continue;
    if (Status status = disks[i]->flush(); !status.ok()) return status.with_context("flushing a device failed");
  }
  return {};
}

// Writes full chunks outside of a commit, so that a stream of small writes keeps its devices busy.
Status Core::drain_full_chunks(Lock& lock) {
  std::vector<ChunkWrite> writes;
  for (AppendLog::Chunk* chunk : append_log.take_full()) {
    writes.push_back({.chunk = chunk, .first = chunk->written, .end = chunk->filled, .request = {}});
  }
  if (writes.empty()) return {};
  committing_ = true;
  lock.unlock();
  Status status = write_chunks(writes);
  lock.lock();
  committing_ = false;
  if (status.ok()) {
    for (const ChunkWrite& write : writes) append_log.written(*write.chunk, write.end);
  } else {
    fail_pool(status);
  }
  commit_waiters_.notify_all();
  commit_done_.notify_all();
  background_wake_.notify_one();
  return status;
}

Status Core::run_commit(Lock& lock) {
  ROSS_CHECK(!committing_, "two commits at once");
  committing_ = true;
  while (keeping_) keep_done_.wait(lock);  // for as long as a write to memory takes
  commit_requested_ = false;
  first_change_ns_ = 0;
  const bool keeps = kept_log_ != nullptr && begin_last_keep();
  Sealed sealed;
  seal(sealed);
  const std::uint64_t number = open_transaction_++;
  if (keeps) append_last(lock, number);
  lock.unlock();

  Status status = write_chunks(sealed.writes);
  if (status.ok()) status = flush_devices();
  if (status.ok()) status = store->write(sealed.batch);
  if (status.ok() && kept_log_ != nullptr) kept_log_->forget(number);

  lock.lock();
  committing_ = false;
  if (status.ok()) {
    for (const ChunkWrite& write : sealed.writes) append_log.written(*write.chunk, write.end);
    store->settle();
    nodes.settle();
    space.commit_drops();
    durable_through_ = number;
    kept_records_[number % 2] = 0;
    kept_bytes_[number % 2] = 0;
  } else {
    fail_pool(status);
  }
  commit_waiters_.notify_all();
  keep_waiters_.notify_all();
  commit_done_.notify_all();
  background_wake_.notify_one();
  return status;
}

}  // namespace ross::engine
