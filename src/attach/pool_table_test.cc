// Goal: one open pool per path and process, opened by the first user and closed by the last, whatever the order
// and however many threads.
// Method: the table over an opener that makes pools which only count; a second open of a pool that is open fails as
// the engine's does.
#include "attach/pool_table.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

namespace ross::attach {
namespace {

// What the pools of one test have done.
struct World {
  std::mutex mutex;
  std::set<std::string> open;  // guarded by mutex
  std::atomic<int> opens = 0;
  std::atomic<int> syncs = 0;
  std::atomic<int> closes = 0;
  std::atomic<int> refusals = 0;  // second openers
  int close_error = 0;
};

class CountingPool final : public engine::Pool {
 public:
  CountingPool(World& world, std::string path) : world_(world), path_(std::move(path)) {}
  ~CountingPool() override {
    const std::lock_guard lock(world_.mutex);
    world_.open.erase(path_);
  }
  Status create_container(std::string_view, const engine::ContainerOptions&) override { return Status(EROFS); }
  Status set_container(std::string_view, const engine::ContainerOptions&) override { return Status(EROFS); }
  Status destroy_container(std::string_view) override { return Status(EROFS); }
  std::vector<engine::ContainerInfo> containers() override { return {}; }
  Result<engine::ContainerInfo> container(std::string_view) override { return fail(ENOENT); }
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view) override { return fail(ENOENT); }
  engine::PoolInfo info() override { return {}; }
  Status sync() override { return ++world_.syncs, Status(); }
  Status close() override { return ++world_.closes, Status(world_.close_error); }

 private:
  World& world_;
  const std::string path_;
};

PoolTable::Open opener(World& world) {
  return
      [&world](const std::filesystem::path& path, const engine::PoolOptions&) -> Result<std::unique_ptr<engine::Pool>> {
        if (path.filename() == "missing") return fail(ENOENT, "no pool there");
        const std::lock_guard lock(world.mutex);
        if (!world.open.insert(path.string()).second) return ++world.refusals, fail(EBUSY, "open already");
        ++world.opens;
        return std::make_unique<CountingPool>(world, path.string());
      };
}

TEST(PoolTable, TheSamePoolByAnyNameIsOpenedOnce) {
  World world;
  PoolTable table(opener(world));
  const auto first = table.use("/tmp/pool", {});
  const auto second = table.use("/tmp/./x/../pool", {});
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(&(*first)->pool(), &(*second)->pool());
  EXPECT_EQ(world.opens, 1);
  EXPECT_TRUE((*first)->close().ok());
  EXPECT_EQ(world.syncs, 1);  // not the last: durable, and stays open
  EXPECT_EQ(world.closes, 0);
  EXPECT_TRUE((*second)->close().ok());
  EXPECT_EQ(world.closes, 1);
  EXPECT_TRUE(world.open.empty());
}

TEST(PoolTable, OpensAgainAfterTheLastClose) {
  World world;
  PoolTable table(opener(world));
  for (int round = 0; round < 3; ++round) {
    const auto use = table.use("/tmp/pool", {});
    ASSERT_TRUE(use.has_value());
    EXPECT_TRUE((*use)->close().ok());
    EXPECT_TRUE((*use)->close().ok());  // the second does nothing
  }
  EXPECT_EQ(world.opens, 3);
  EXPECT_EQ(world.closes, 3);
}

TEST(PoolTable, TellsTheErrorsOfOpeningAndClosing) {
  World world;
  PoolTable table(opener(world));
  EXPECT_EQ(table.use("/tmp/missing", {}).error().error(), ENOENT);
  world.close_error = EIO;
  const auto use = table.use("/tmp/pool", {});
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ((*use)->close().error(), EIO);
  EXPECT_TRUE(world.open.empty());  // let go of all the same
}

TEST(PoolTable, ManyThreadsNeverMeetASecondOpener) {
  World world;
  PoolTable table(opener(world));
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&table, &failures, t] {
      for (int round = 0; round < 2000; ++round) {
        const auto use = table.use((round + t) % 3 == 0 ? "/tmp/a" : "/tmp/b", {});
        if (!use.has_value()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(world.refusals, 0);
  EXPECT_EQ(world.opens, world.closes);
  EXPECT_TRUE(world.open.empty());
}

TEST(PoolTable, AForkedChildDoesNotUseItsParentsPool) {
  World world;
  PoolTable table(opener(world));
  const auto use = table.use("/tmp/pool", {});
  ASSERT_TRUE(use.has_value());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Opens anew (which the engine refuses, as the opener here does), and closing the copy closes nothing.
    const bool refused = !table.use("/tmp/pool", {}).has_value();
    const bool closed = (*use)->close().ok() && world.closes == 0;
    ::_exit(refused && closed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE((*use)->close().ok());
  EXPECT_EQ(world.closes, 1);
}

}  // namespace
}  // namespace ross::attach
