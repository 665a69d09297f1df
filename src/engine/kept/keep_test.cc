// Goal: what was kept survives kill -9 whole and in order, and a power cut leaves what was synced, as if nothing had been kept.
// Method: kill -9 as a copy of the directory taken while the pool is open and at rest; the copy is opened under the same boot id,
// or, for a power cut after which the whole log happens to be there, under another; then fsck and the content judge.
#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "disk/uring/uring_disk.h"
#include "engine/clients.h"
#include "engine/format/client_records.h"
#include "engine/fsck.h"
#include "engine/kept/kept_log.h"
#include "engine/pool_fixture.h"

namespace ross::engine {
namespace {

namespace stdfs = std::filesystem;
using format::KeyKind;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kThisBoot = "this boot";
constexpr std::string_view kNextBoot = "the next boot";

PoolOptions serving(std::string_view boot = kThisBoot) {
  PoolOptions options = quiet_options();
  options.serves_clients = true;
  options.boot_id = boot;
  return options;
}

class KeepTest : public ::testing::Test {
 protected:
  KeepTest() : pool_(directory_ / "pool") {
    EXPECT_TRUE(Pool::create(pool_, small_pool()).ok());
    auto pool = *Pool::open(pool_, quiet_options());
    EXPECT_TRUE(pool->create_container("c", {}).ok());
  }
  static Status keep(TestFiles& files) { return files.wait(files.pool().clients()->keep()); }
  stdfs::path kill() {
    const stdfs::path killed = directory_ / ("killed" + std::to_string(kills_++));
    copy_pool(pool_, killed);
    return killed;
  }
  static std::string findings(const stdfs::path& pool, std::string_view boot) {
    auto report = fsck(pool, serving(boot), {.data = true});
    if (!report) return report.error().message();
    std::string text;
    for (const FsckFinding& one : report->findings) text += one.where + ": " + one.what + "\n";
    return text;
  }
  static bool has_log(const stdfs::path& pool) {
    return stdfs::exists(pool / "kept0") || stdfs::exists(pool / "kept1");
  }
  static std::string content(TestFiles& files, std::string_view path) {
    auto node = files.find(path);
    return node ? files.get(*node).value_or("unreadable") : "not there";
  }

  TestDirectory directory_;
  const stdfs::path pool_;
  int kills_ = 0;
};

TEST_F(KeepTest, WhatWasKeptSurvivesTheProcess) {
  const std::string small = pattern(1, 5000);
  const std::string large = pattern(2, 1 << 20);
  TestFiles files(pool_, "c", serving());
  const fs::NodeId d = files.mkdir(fs::kRootNode, "d");
  ASSERT_TRUE(files.put(d, "small", small).ok());
  ASSERT_TRUE(files.put(d, "large", large).ok());
  ASSERT_TRUE(files.wait(files.fs().symlink(files.root(), d, "link", "target")));
  ASSERT_TRUE(keep(files).ok());
  ASSERT_TRUE(keep(files).ok()) << "nothing to do";
  files.mkdir(fs::kRootNode, "not kept");
  const stdfs::path killed = kill();
  ASSERT_TRUE(has_log(killed));
  EXPECT_EQ(findings(killed, kThisBoot), "") << "before it is opened";
  ASSERT_TRUE(has_log(killed)) << "a check changes nothing";
  for (const bool serves : {false, true}) {  // whoever opens it first makes it durable
    TestFiles again(
        killed, "c", serves ? serving(kNextBoot) : [] {
          PoolOptions options = quiet_options();
          options.boot_id = kThisBoot;
          return options;
        }());
    EXPECT_FALSE(has_log(killed));
    EXPECT_EQ(content(again, "d/small"), small);
    EXPECT_EQ(content(again, "d/large"), large);
    EXPECT_EQ(again.wait(again.fs().readlink(*again.find("d/link"))).value_or(""), "target");
    EXPECT_FALSE(again.find("not kept"));
  }
  EXPECT_EQ(findings(killed, kThisBoot), "");
}

TEST_F(KeepTest, AfterAPowerCutTheStoreIsWhatWasSynced) {
  TestFiles files(pool_, "c", serving());
  ASSERT_TRUE(files.put(fs::kRootNode, "synced", pattern(1, 5000)).ok());
  ASSERT_TRUE(files.wait(files.fs().sync()).ok());
  ASSERT_TRUE(files.put(fs::kRootNode, "kept", pattern(2, 5000)).ok());
  ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "synced")).ok());
  ASSERT_TRUE(keep(files).ok());
  const stdfs::path cut = kill();
  EXPECT_EQ(findings(cut, kNextBoot), "");
  {
    TestFiles again(cut, "c", serving(kNextBoot));
    EXPECT_EQ(content(again, "synced"), pattern(1, 5000));
    EXPECT_FALSE(again.find("kept"));
    EXPECT_FALSE(has_log(cut)) << "it must not be found by anybody later";
  }
  EXPECT_EQ(findings(cut, kNextBoot), "");
}

TEST_F(KeepTest, ABlockThatChangesInPlaceIsTheOneThatWasKept) {
  TestFiles files(pool_, "c", serving());
  const auto file = files.create(fs::kRootNode, "f");
  ASSERT_TRUE(files.write(*file, 0, pattern(1, 9000)).ok());
  ASSERT_TRUE(keep(files).ok());
  ASSERT_TRUE(files.write(*file, 100, pattern(2, 5000)).ok());
  const stdfs::path first = kill();
  ASSERT_TRUE(keep(files).ok());
  const stdfs::path second = kill();
  // Fills the chunk, so that it goes to the device with content that was never kept.
  ASSERT_TRUE(files.write(*file, 200, pattern(3, 3000)).ok());
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(files.put(fs::kRootNode, "other" + std::to_string(i), pattern(9, 60'000)).ok());
  }
  const stdfs::path third = kill();

  std::string expected = pattern(1, 9000);
  EXPECT_EQ(findings(first, kThisBoot), "");
  EXPECT_EQ(content(*std::make_unique<TestFiles>(first, "c", serving()), "f"), expected);
  expected.replace(100, 5000, pattern(2, 5000));
  for (const auto& killed : {second, third}) {
    EXPECT_EQ(findings(killed, kThisBoot), "");
    EXPECT_EQ(content(*std::make_unique<TestFiles>(killed, "c", serving()), "f"), expected);
    EXPECT_EQ(findings(killed, kThisBoot), "");
  }
  ASSERT_TRUE(files.wait(files.fs().close(*file)).ok());
}

TEST_F(KeepTest, ManySmallWritesAndCommitsBetween) {
  std::map<std::string, std::string> contents;
  TestFiles files(pool_, "c", serving());
  for (int i = 0; i < 120; ++i) {
    const std::string name = "f" + std::to_string(i % 50);
    contents[name] = pattern(static_cast<std::uint64_t>(i), 1000 + static_cast<std::size_t>(i * 7919) % 40'000);
    if (files.find(name)) {
      ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, name)).ok());
    }
    ASSERT_TRUE(files.put(fs::kRootNode, name, contents[name]).ok());
    ASSERT_TRUE(keep(files).ok());
    if (i % 17 == 5) {
      ASSERT_TRUE(files.wait(files.fs().sync()).ok());
    }
    if (i % 10 != 9) continue;
    const stdfs::path killed = kill();
    ASSERT_EQ(findings(killed, kThisBoot), "");
    TestFiles again(killed, "c", serving());
    for (const auto& [at, expected] : contents) ASSERT_EQ(content(again, at), expected) << at << " at " << i;
    again.close();
    ASSERT_EQ(findings(killed, kThisBoot), "");
    stdfs::remove_all(killed);
  }
}

TEST_F(KeepTest, WhatAKeepDroppedIsNotWrittenOver) {
  const std::string old = pattern(1, 4 << 20);
  TestFiles files(pool_, "c", serving());
  ASSERT_TRUE(files.put(fs::kRootNode, "old", old).ok());
  ASSERT_TRUE(files.wait(files.fs().sync()).ok());
  ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "old")).ok());
  ASSERT_TRUE(keep(files).ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(files.put(fs::kRootNode, "new" + std::to_string(i), pattern(2, 2 << 20)).ok());
    ASSERT_TRUE(keep(files).ok());
  }
  const stdfs::path cut = kill();
  EXPECT_EQ(findings(cut, kNextBoot), "");
  TestFiles again(cut, "c", serving(kNextBoot));
  EXPECT_EQ(content(again, "old"), old);
  EXPECT_FALSE(again.find("new0"));
}

TEST_F(KeepTest, ATornRecordEndsTheLog) {
  TestFiles files(pool_, "c", serving());
  for (const char* name : {"a", "b", "c"}) {
    files.mkdir(fs::kRootNode, name);
    ASSERT_TRUE(keep(files).ok());
  }
  const stdfs::path killed = kill();
  const stdfs::path log = stdfs::exists(killed / "kept0") ? killed / "kept0" : killed / "kept1";
  stdfs::resize_file(log, stdfs::file_size(log) - 3);
  EXPECT_EQ(findings(killed, kThisBoot), "");
  TestFiles again(killed, "c", serving());
  EXPECT_TRUE(again.find("a"));
  EXPECT_TRUE(again.find("b"));
  EXPECT_FALSE(again.find("c"));
}

// Two logs, as a process leaves them that was killed during a commit: the committing transaction's and the open one's.
TEST_F(KeepTest, ALogCountsOnTopOfTheTransactionBefore) {
  std::uint64_t stored = 0;
  format::Uuid uuid{};
  TestFiles(pool_, "c", serving()).mkdir(fs::kRootNode, "d");
  {
    RawStore raw(pool_);
    stored = *format::decode_transaction(raw.get(format::transaction_key()));
    uuid = format::decode_pool(raw.get(format::pool_key()))->uuid;
  }
  ASSERT_GT(stored, 0U);
  const auto id = [](std::uint8_t first) { return ClientId{first}; };
  const auto log = [&](const stdfs::path& pool, std::uint64_t transaction, std::uint32_t records_before,
                       std::vector<std::uint8_t> clients, std::string_view boot = kThisBoot) {
    KeptLog kept({.env = nullptr, .directory = pool.string(), .boot_id = std::string(boot)}, uuid);
    for (const std::uint8_t client : clients) {
      format::KeptRecord record;
      record.put(format::client_key(id(client)), format::encode(ClientRecord{.uid = client}));
      ASSERT_TRUE(kept.append(transaction, records_before, record).ok());
    }
  };
  const auto expect = [&](const stdfs::path& pool, std::vector<std::uint8_t> clients) {
    EXPECT_EQ(findings(pool, kThisBoot), "");
    TestFiles files(pool, "c", serving());
    std::vector<std::uint8_t> found;
    const auto list = files.pool().clients()->list();
    for (const ClientRecord& client : *list) found.push_back(client.id[0]);
    EXPECT_EQ(found, clients);
  };
  stdfs::path pool = kill();
  log(pool, stored + 1, 0, {1, 2});
  log(pool, stored + 2, 2, {3});
  expect(pool, {1, 2, 3});
  expect(pool, {1, 2, 3});

  pool = kill();
  log(pool, stored + 1, 0, {1});
  log(pool, stored + 2, 2, {3});
  expect(pool, {1});

  pool = kill();
  log(pool, stored + 2, 0, {3});
  expect(pool, {3});

  pool = kill();
  log(pool, stored + 2, 1, {3});
  expect(pool, {});

  pool = kill();
  log(pool, stored, 0, {1});
  log(pool, stored + 3, 0, {3});
  expect(pool, {});

  pool = kill();
  log(pool, stored + 1, 0, {1}, kNextBoot);
  log(pool, stored + 2, 0, {2}, kNextBoot);
  expect(pool, {});
}

TEST_F(KeepTest, WithoutALogAKeepIsASync) {
  TestFiles files(pool_, "c", serving());
  // Nothing can be made or removed under these names.
  for (const char* name : {"kept0", "kept1"}) {
    stdfs::create_directories(pool_ / name);
    std::ofstream(pool_ / name / "in the way") << "x";
  }
  for (const char* name : {"a", "b"}) {
    files.mkdir(fs::kRootNode, name);
    ASSERT_TRUE(keep(files).ok());
  }
  for (const char* name : {"kept0", "kept1"}) stdfs::remove_all(pool_ / name);
  TestFiles again(kill(), "c", serving(kNextBoot));
  EXPECT_TRUE(again.find("a"));
  EXPECT_TRUE(again.find("b"));
  files.mkdir(fs::kRootNode, "c");
  ASSERT_TRUE(keep(files).ok());
  EXPECT_TRUE(has_log(pool_)) << "the next transaction tries again";
}

TEST_F(KeepTest, OnlyAPoolThatServesIsOfTheNewVersion) {
  {
    TestFiles files(pool_);
    EXPECT_EQ(files.pool().clients(), nullptr);
    EXPECT_EQ(files.pool().info().format_version, format::kFormatVersion);
  }
  {
    TestFiles files(pool_, "c", serving());
    ASSERT_NE(files.pool().clients(), nullptr);
    EXPECT_EQ(files.pool().info().format_version, format::kServedVersion);
    EXPECT_EQ(findings(kill(), kNextBoot), "") << "durable before anything is kept";
  }
  EXPECT_FALSE(has_log(pool_)) << "closed";
  {
    RawStore raw(pool_);
    EXPECT_EQ(format::decode_pool(raw.get(format::pool_key()))->version, format::kServedVersion);
  }
  {
    TestFiles files(pool_);
    EXPECT_EQ(files.pool().info().format_version, format::kServedVersion);
  }
  std::ofstream(pool_ / "kept1") << "left behind";
  EXPECT_TRUE(Pool::destroy(pool_).ok());
  EXPECT_FALSE(stdfs::exists(pool_));
}

// A device whose flush waits until it is let go, so that a commit can be looked at in its middle.
class Gate {
 public:
  class Gated final : public disk::Disk {
   public:
    Gated(Gate& gate, std::unique_ptr<disk::Disk> disk) : gate_(gate), disk_(std::move(disk)) {}
    [[nodiscard]] std::uint64_t size_bytes() const override { return disk_->size_bytes(); }
    [[nodiscard]] std::size_t alignment_bytes() const override { return disk_->alignment_bytes(); }
    void submit(runtime::Loop& loop, disk::Request& request) override { disk_->submit(loop, request); }
    Status flush() override {
      gate_.pass();
      return disk_->flush();
    }
    void discard(std::uint64_t at, std::uint64_t size) override { disk_->discard(at, size); }

   private:
    Gate& gate_;
    const std::unique_ptr<disk::Disk> disk_;
  };
  void close() { set(false); }
  void open() { set(true); }
  [[nodiscard]] bool is_open() {
    const std::lock_guard lock(mutex_);
    return open_;
  }
  // Until a flush stands before it.
  void wait_for_flush() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int waiting_ = 0;
};

class KeepDuringCommitTest : public KeepTest {
 protected:
  PoolOptions gated() {
    PoolOptions options = serving();
    options.open_disk = [this](std::size_t) -> Result<std::unique_ptr<disk::Disk>> {
      ROSS_TRY(auto disk, disk::open_uring((pool_ / "data0").string(), {}));
      return std::make_unique<Gate::Gated>(gate_, std::move(disk));
    };
    return options;
  }
  // Begins a commit and comes back while it stands before the flush.
  std::thread begin_commit(TestFiles& files) {
    gate_.close();
    std::thread commit([&files] { EXPECT_TRUE(files.pool().sync().ok()); });
    gate_.wait_for_flush();
    return commit;
  }
  Gate gate_;
};

TEST_F(KeepDuringCommitTest, TheLogOfTheCommittingTransactionIsWholeAndTheNextOneStandsOnIt) {
  TestFiles files(pool_, "c", gated());
  ASSERT_TRUE(files.put(fs::kRootNode, "large", pattern(1, 100'000)).ok());  // so that there is something to flush
  ASSERT_TRUE(keep(files).ok());
  files.mkdir(fs::kRootNode, "not kept when the commit began");
  std::thread commit = begin_commit(files);
  ASSERT_TRUE(keep(files).ok());
  const stdfs::path first = kill();
  files.mkdir(fs::kRootNode, "of the next transaction");
  ASSERT_TRUE(keep(files).ok());
  const stdfs::path second = kill();
  gate_.open();
  commit.join();
  const stdfs::path third = kill();
  for (const auto& killed : {first, second, third}) {
    EXPECT_EQ(findings(killed, kThisBoot), "");
    TestFiles again(killed, "c", serving());
    EXPECT_EQ(content(again, "large"), pattern(1, 100'000));
    EXPECT_TRUE(again.find("not kept when the commit began"));
    EXPECT_EQ(again.find("of the next transaction").has_value(), killed != first);
  }
  TestFiles cut(kill(), "c", serving(kNextBoot));
  EXPECT_TRUE(cut.find("not kept when the commit began"));
  EXPECT_FALSE(cut.find("of the next transaction"));
}

TEST_F(KeepDuringCommitTest, WithoutALogOfItsOwnAKeepWaitsForTheCommit) {
  TestFiles files(pool_, "c", gated());
  ASSERT_TRUE(files.put(fs::kRootNode, "large", pattern(1, 100'000)).ok());
  std::thread commit = begin_commit(files);
  bool open_when_kept = false;
  std::thread keeper([&] {
    const auto loop = *runtime::Loop::create();
    EXPECT_TRUE(loop->block_on(files.pool().clients()->keep()).ok());
    open_when_kept = gate_.is_open();
  });
  files.mkdir(fs::kRootNode, "meanwhile");
  gate_.open();
  commit.join();
  keeper.join();
  EXPECT_TRUE(open_when_kept) << "what the commit took was kept before it was durable";
  ASSERT_TRUE(keep(files).ok());
  TestFiles again(kill(), "c", serving());
  EXPECT_TRUE(again.find("meanwhile"));
  EXPECT_EQ(content(again, "large"), pattern(1, 100'000));
}

// Keeps from many threads while commits run as fast as they can: nothing that keep() answered for is missing.
TEST_F(KeepTest, ThreadsKeepWhileCommitsRun) {
  constexpr int kThreads = 4;
  constexpr int kFilesPerThread = 60;
  PoolOptions options = serving();
  options.commit_interval_ns = 200'000;
  TestFiles files(pool_, "c", options);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&files, t] {
      const auto loop = *runtime::Loop::create();
      const auto one = [&](int i) -> runtime::Task<Status> {
        const std::string name = "t" + std::to_string(t) + "-" + std::to_string(i);
        const std::string bytes = pattern(static_cast<std::uint64_t>(t * 1000 + i), 3000);
        auto opened = co_await files.fs().create(files.root(), fs::kRootNode, name, 0644, {.write = true});
        if (!opened) co_return opened.error();
        auto done = co_await files.fs().write(opened->file, 0, memory::Memory::for_write(bytes.data(), bytes.size()));
        if (!done) co_return done.error();
        if (Status closed = co_await files.fs().close(opened->file); !closed.ok()) co_return closed;
        co_return co_await files.pool().clients()->keep();
      };
      for (int i = 0; i < kFilesPerThread; ++i) EXPECT_TRUE(loop->block_on(one(i)).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  files.close();
  EXPECT_FALSE(has_log(pool_));
  EXPECT_EQ(findings(pool_, kNextBoot), "");
  TestFiles again(pool_);
  for (int t = 0; t < kThreads; ++t) {
    for (int i = 0; i < kFilesPerThread; ++i) {
      EXPECT_EQ(content(again, "t" + std::to_string(t) + "-" + std::to_string(i)),
                pattern(static_cast<std::uint64_t>(t * 1000 + i), 3000));
    }
  }
}

}  // namespace
}  // namespace ross::engine
