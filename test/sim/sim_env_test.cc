// SimEnv keeps what was synced and nothing that never was. Method: RocksDB itself in a loop of power cuts, judged by
// what its synced writes promised; then each power of the env by itself.
#include "sim_env.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <set>

#include "base/random.h"
#include "effort.h"

namespace ross::sim {
namespace {

std::unique_ptr<rocksdb::DB> open_store(SimEnv& world, std::size_t write_buffer_bytes, rocksdb::Status* status) {
  rocksdb::Options options;
  options.env = world.env();
  options.create_if_missing = true;
  options.write_buffer_size = write_buffer_bytes;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.compression = rocksdb::kNoCompression;
  rocksdb::DB* store = nullptr;
  *status = rocksdb::DB::Open(options, "/pool/store", &store);
  return std::unique_ptr<rocksdb::DB>(store);
}

std::unique_ptr<rocksdb::DB> open_store(SimEnv& world, std::size_t write_buffer_bytes) {
  rocksdb::Status status;
  auto store = open_store(world, write_buffer_bytes, &status);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return store;
}

void make_room(SimEnv& world) { ASSERT_TRUE(world.env()->CreateDirIfMissing("/pool").ok()); }

std::unique_ptr<rocksdb::WritableFile> make_file(SimEnv& world, const std::string& path) {
  std::unique_ptr<rocksdb::WritableFile> file;
  EXPECT_TRUE(world.env()->NewWritableFile(path, &file, {}).ok());
  return file;
}

void sync_directory(SimEnv& world, const std::string& path) {
  std::unique_ptr<rocksdb::Directory> directory;
  ASSERT_TRUE(world.env()->NewDirectory(path, &directory).ok());
  ASSERT_TRUE(directory->Fsync().ok());
}

// Key i is written with value i, in order; some writes are synced. After a cut the keys there are 0 ... n-1 for an n that
// covers the last sync: nothing synced lost, and no gap.
//
// When the write buffer fills, RocksDB begins a new log; then only synced writes keep their order across a cut (the
// unsynced end of the older log may be lost while the newer one is there), so sync_all.
void crash_loop(std::uint64_t seed, std::size_t write_buffer_bytes, int rounds, int writes_max, bool sync_all) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  SimEnv world(seed);
  make_room(world);
  std::uint64_t next = 0;
  for (int round = 0; round < rounds; ++round) {
    std::uint64_t synced = next;
    rocksdb::Status opened;
    bool cut_in_open = false;
    if (round > 0 && random.chance(1, 4)) {
      cut_in_open = true;
      world.cut_power_at(1 + random.below(20), [] {});
    }
    auto store = open_store(world, write_buffer_bytes, &opened);
    if (!opened.ok()) {
      ASSERT_TRUE(cut_in_open && !world.powered()) << opened.ToString();
      store.reset();
      world.restore_power();
      store = open_store(world, write_buffer_bytes);
      ASSERT_TRUE(store);
    }
    std::unique_ptr<rocksdb::Iterator> cursor(store->NewIterator({}));
    std::uint64_t found = 0;
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next(), ++found) {
      char expected[32];
      std::snprintf(expected, sizeof expected, "%012llu", static_cast<unsigned long long>(found));
      ASSERT_EQ(cursor->key().ToString(), expected);
      ASSERT_EQ(cursor->value().size(), 100 + found % 400);
    }
    const bool dead = !world.powered();
    if (!dead) {
      ASSERT_TRUE(cursor->status().ok()) << cursor->status().ToString();
      ASSERT_GE(found, synced);
      next = found;
      synced = found;
    }
    cursor.reset();
    if (!dead && random.chance(1, 2)) world.cut_power_at(1 + random.below(200), [] {});
    const int writes = static_cast<int>(random.below(writes_max));
    for (int i = 0; i < writes && !dead; ++i) {
      char key[32];
      std::snprintf(key, sizeof key, "%012llu", static_cast<unsigned long long>(next));
      rocksdb::WriteOptions options;
      options.sync = sync_all || random.chance(1, 10);
      if (!store->Put(options, key, std::string(100 + next % 400, 'v')).ok()) {
        ASSERT_FALSE(world.powered());
        break;
      }
      ++next;
      if (options.sync) synced = next;
    }
    world.cut_power();
    store.reset();
    world.restore_power();
    next = synced;  // at least this much must be found
  }
}

TEST(SimEnv, RocksDbKeepsWhatItSynced) {
  for (std::uint64_t seed = 1; seed <= repeats(40); ++seed) {
    crash_loop(seed, 64 << 20, 10, 100, false);
    if (HasFatalFailure()) return;
  }
}

TEST(SimEnv, RocksDbKeepsWhatItSyncedAcrossFlushesAndCompactions) {
  for (std::uint64_t seed = 1; seed <= repeats(8); ++seed) {
    crash_loop(seed, 64 << 10, 12, 1500, true);
    if (HasFatalFailure()) return;
  }
}

TEST(SimEnv, UnsyncedBytesAreCutAnywhereAndSyncedOnesNever) {
  std::set<std::uint64_t> lengths;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimEnv world(seed);
    make_room(world);
    auto file = make_file(world, "/pool/log");
    ASSERT_TRUE(file->Append("synced").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(file->Append("unsynced").ok());
    world.cut_power();
    EXPECT_FALSE(file->Append("x").ok());
    world.restore_power();
    EXPECT_FALSE(file->Append("x").ok()) << "a handle from before the cut must stay dead";
    EXPECT_FALSE(file->Sync().ok());
    std::string content;
    ASSERT_TRUE(rocksdb::ReadFileToString(world.env(), "/pool/log", &content).ok());
    ASSERT_EQ(content, std::string("syncedunsynced").substr(0, content.size()));
    ASSERT_GE(content.size(), 6U);
    lengths.insert(content.size());
  }
  EXPECT_EQ(lengths.size(), 9U) << "every length from 6 to 14 should have come up";
}

TEST(SimEnv, NamesAreAsTheirDirectoryWasSynced) {
  int kept = 0;
  int replaced = 0;
  int removed = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimEnv world(seed);
    make_room(world);
    make_file(world, "/pool/never-synced");
    ASSERT_TRUE(make_file(world, "/pool/old")->Append("old").ok());
    {
      auto file = make_file(world, "/pool/target");
      ASSERT_TRUE(file->Append("before").ok());
      ASSERT_TRUE(file->Sync().ok());
    }
    auto doomed = make_file(world, "/pool/doomed");
    ASSERT_TRUE(world.env()->DeleteFile("/pool/never-synced").ok());
    sync_directory(world, "/pool");
    make_file(world, "/pool/new");
    {
      auto file = make_file(world, "/pool/temporary");
      ASSERT_TRUE(file->Append("after").ok());
      ASSERT_TRUE(file->Sync().ok());
    }
    ASSERT_TRUE(world.env()->RenameFile("/pool/temporary", "/pool/target").ok());
    ASSERT_TRUE(world.env()->DeleteFile("/pool/doomed").ok());
    world.cut_power();
    world.restore_power();
    EXPECT_TRUE(world.env()->FileExists("/pool/never-synced").IsNotFound());
    EXPECT_TRUE(world.env()->FileExists("/pool/old").ok());
    std::string content;
    ASSERT_TRUE(rocksdb::ReadFileToString(world.env(), "/pool/target", &content).ok());
    ASSERT_TRUE(content == "before" || content == "after") << content;
    replaced += content == "after";
    kept += world.env()->FileExists("/pool/new").ok();
    removed += world.env()->FileExists("/pool/doomed").IsNotFound();
  }
  for (const int count : {kept, replaced, removed}) {
    EXPECT_GT(count, 20);
    EXPECT_LT(count, 180);
  }
}

TEST(SimEnv, ASyncedFileTakesTheNameItWasMadeUnderWithIt) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SimEnv world(seed);
    make_room(world);
    make_file(world, "/pool/log");
    ASSERT_TRUE(world.env()->DeleteFile("/pool/log").ok());
    auto file = make_file(world, "/pool/log");
    ASSERT_TRUE(file->Append("x").ok());
    ASSERT_TRUE(file->Sync().ok());
    world.cut_power();
    world.restore_power();
    std::string content;
    ASSERT_TRUE(rocksdb::ReadFileToString(world.env(), "/pool/log", &content).ok()) << "seed " << seed;
    EXPECT_EQ(content, "x");
  }
}

TEST(SimEnv, CutsByItselfAtTheNthOperation) {
  SimEnv world(7);
  make_room(world);
  auto file = make_file(world, "/pool/log");
  bool told = false;
  world.cut_power_at(3, [&] { told = true; });
  EXPECT_TRUE(file->Append("1").ok());
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_FALSE(told);
  EXPECT_FALSE(file->Append("2").ok());
  EXPECT_TRUE(told);
  EXPECT_FALSE(world.powered());
  EXPECT_TRUE(world.env()->FileExists("/pool/log").IsIOError());
}

TEST(SimEnv, FailsTheNthOperationOnce) {
  SimEnv world(7);
  make_room(world);
  auto file = make_file(world, "/pool/log");
  world.fail(EnvOperation::kChange, 2, EIO);
  EXPECT_TRUE(file->Append("1").ok());
  EXPECT_TRUE(file->Append("2").IsIOError());
  EXPECT_TRUE(file->Append("3").ok());
  world.fail(EnvOperation::kSync, 1, ENOSPC);
  EXPECT_TRUE(file->Sync().IsNoSpace());
  EXPECT_TRUE(file->Sync().ok());
  world.fail(EnvOperation::kRead, 1, EIO, true);
  std::string content;
  EXPECT_FALSE(rocksdb::ReadFileToString(world.env(), "/pool/log", &content).ok());
  EXPECT_FALSE(rocksdb::ReadFileToString(world.env(), "/pool/log", &content).ok());
  world.clear_failures();
  EXPECT_TRUE(rocksdb::ReadFileToString(world.env(), "/pool/log", &content).ok());
  EXPECT_EQ(content, "13");
}

TEST(SimEnv, RunsOutOfSpaceAndGetsItBack) {
  SimEnv world(7);
  make_room(world);
  auto file = make_file(world, "/pool/log");
  world.set_space_bytes(10);
  EXPECT_TRUE(file->Append("12345678").ok());
  EXPECT_TRUE(file->Append("9abc").IsNoSpace());
  std::uint64_t size = 0;
  ASSERT_TRUE(world.env()->GetFileSize("/pool/log", &size).ok());
  EXPECT_EQ(size, 10U);
  auto other = make_file(world, "/pool/other");
  EXPECT_TRUE(other->Append("1").IsNoSpace());
  ASSERT_TRUE(world.env()->DeleteFile("/pool/log").ok());
  EXPECT_TRUE(other->Append("1").ok());
}

TEST(SimEnv, FlippedBitsAreFoundByTheStore) {
  SimEnv world(7);
  make_room(world);
  {
    auto store = open_store(world, 64 << 20);
    ASSERT_TRUE(store->Put({}, "key", std::string(1000, 'v')).ok());
    ASSERT_TRUE(store->Flush({}).ok());
  }
  for (const EnvFile& file : world.files()) {
    if (!file.path.ends_with(".sst")) continue;
    ASSERT_TRUE(world.flip_bit(file.path, 500, 3));
  }
  EXPECT_FALSE(world.flip_bit("/pool/nothing", 0, 0));
  auto store = open_store(world, 64 << 20);
  std::string value;
  EXPECT_TRUE(store->Get({}, "key", &value).IsCorruption());
}

TEST(SimEnv, OneOpenerAtATime) {
  SimEnv world(7);
  make_room(world);
  auto store = open_store(world, 64 << 20);
  rocksdb::Status status;
  EXPECT_FALSE(open_store(world, 64 << 20, &status));
  EXPECT_TRUE(status.IsIOError()) << status.ToString();
  store.reset();
  EXPECT_TRUE(open_store(world, 64 << 20));
}

std::size_t tables(const SimEnv& world) {
  const std::vector<EnvFile> files = world.files();
  return static_cast<std::size_t>(
      std::ranges::count_if(files, [](const EnvFile& file) { return file.path.ends_with(".sst"); }));
}

TEST(SimEnv, JobsThatAreHeldRunWhereTheCallerSays) {
  SimEnv world(1);
  world.hold_jobs();
  make_room(world);
  rocksdb::Options options;
  options.env = world.env();
  options.create_if_missing = true;
  options.write_buffer_size = 64 << 10;
  options.max_write_buffer_number = 64;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, "/pool/store", &opened).ok());
  std::unique_ptr<rocksdb::DB> store(opened);
  const auto fill = [&store] {
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(store->Put({}, std::to_string(i), std::string(1000, 'v')).ok());
  };
  fill();
  EXPECT_EQ(tables(world), 0U) << "full write buffers are flushed by jobs";
  EXPECT_GT(world.run_jobs(), 0U);
  EXPECT_GT(tables(world), 0U);
  EXPECT_EQ(world.run_jobs(), 0U);
  // A closed store has no jobs left.
  fill();
  store.reset();
  EXPECT_EQ(world.run_jobs(), 0U);
}

}  // namespace
}  // namespace ross::sim
