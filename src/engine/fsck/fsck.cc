#include "engine/fsck.h"

#include <fmt/format.h>

#include "engine/fsck/checker.h"
#include "engine/kept/replay.h"
#include "engine/pool_files.h"
#include "engine/recovery.h"

namespace ross::engine {

namespace {

// A store that RocksDB does not open is a finding; with repair, what can be salvaged is.
Result<std::unique_ptr<MetaStore>> open_store(const std::string& path, const PoolOptions& pool_options,
                                              const FsckOptions& options, FsckReport& report) {
  const MetaStore::Options store_options{
      .env = pool_options.env, .cache_bytes = pool_options.cache_bytes / 2, .read_only = !options.repair};
  auto store = MetaStore::open(path, store_options);
  if (store) return store;
  report.findings.push_back({.where = "metadata store", .what = store.error().message(), .repaired = options.repair});
  ++report.findings_total;
  if (!options.repair) return fail(store.error().with_context("run ross fsck --repair to salvage what is readable"));
  ROSS_OK(MetaStore::repair(path, pool_options.env));
  return MetaStore::open(path, store_options);
}

// What is kept beside the store belongs to the pool. To be looked at it is enough that the store shows it; to be mended it has to be
// in it.
Status add_kept(const KeptLog::Place& place, MetaStore& store, const std::vector<std::unique_ptr<disk::Disk>>& disks,
                bool repair) {
  // A damaged number is found by the check; what was kept on top of it is lost.
  auto replayed = replay_kept(store, place);
  if (!replayed) return std::move(replayed).error();
  if (!repair || replayed->kept_transaction == 0) return {};
  for (const auto& disk : disks) ROSS_STATUS(disk->flush());
  rocksdb::WriteBatch batch;
  store.put(format::transaction_key(), format::encode_transaction(replayed->kept_transaction));
  store.seal(batch);
  ROSS_STATUS(store.write(batch));
  store.settle();
  return {};
}

}  // namespace

Result<FsckReport> fsck(const std::filesystem::path& directory, const PoolOptions& pool_options,
                        const FsckOptions& options) {
  FsckReport report;
  std::unique_ptr<PoolLock> lock;
  format::Superblock superblock;
  std::size_t devices = pool_options.devices;
  const bool simulated = pool_options.env != nullptr;
  if (!simulated) {
    ROSS_TRY(superblock, read_superblock(directory));
    ROSS_TRY(lock, PoolLock::take(directory));
    devices = superblock.devices.size();
  }
  {
    std::vector<std::unique_ptr<disk::Disk>> disks;
    for (std::size_t i = 0; i < devices; ++i) {
      std::unique_ptr<disk::Disk> disk;
      if (pool_options.open_disk) {
        ROSS_TRY(disk, pool_options.open_disk(i));
      } else {
        ROSS_TRY(disk, open_device(directory, superblock, i));
      }
      disks.push_back(std::move(disk));
    }
    std::error_code error;
    if (!simulated && !std::filesystem::exists(meta_path(directory), error)) {
      return fail(EIO, fmt::format("{}: the metadata store is missing: restore it from a copy of the pool",
                                   meta_path(directory).string()));
    }
    ROSS_TRY(const auto store, open_store(meta_path(directory).string(), pool_options, options, report));
    const KeptLog::Place place = KeptLog::Place::of(directory.string(), pool_options);
    ROSS_OK(add_kept(place, *store, disks, options.repair));
    Checker checker(*store, disks, options, *pool_options.clock, simulated ? nullptr : &superblock.uuid);
    ROSS_OK(checker.run(report));
    // A mended store is no more what a log was written on top of.
    if (options.repair) ROSS_OK(KeptLog::remove(place));
  }
  lock.reset();
  if (options.repair && !report.clean()) {
    // An ordinary open finishes what the mended store still has under way.
    PoolOptions quiet = pool_options;
    quiet.commit_interval_ns = 0;
    ROSS_TRY(const auto pool, Pool::open(directory, quiet));
    ROSS_OK(pool->close());
  }
  return report;
}

}  // namespace ross::engine
