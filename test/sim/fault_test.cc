// One fault at every point of a history: EIO, ENOSPC, failed flushes and flipped bits are errors to the caller, never wrong
// data, never a hang, never a lost pool. Method: fault_run.h, once for each device request and each operation of the
// store; a watchdog ends the run when one fault takes too long.
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/units.h"
#include "fault_run.h"

namespace ross::sim {
namespace {

// Aborts with the name of what hangs.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::seconds limit) : limit_(limit), thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  void begin(const std::string& what) {
    const std::lock_guard lock(mutex_);
    what_ = what;
    began_ = std::chrono::steady_clock::now();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    while (!done_) {
      wake_.wait_for(lock, std::chrono::seconds(1));
      if (std::chrono::steady_clock::now() - began_ < limit_) continue;
      std::fprintf(stderr, "%s hangs\n", what_.c_str());
      std::abort();
    }
  }
  const std::chrono::seconds limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  // guarded by mutex_
  std::string what_ = "nothing";
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  bool done_ = false;
  std::thread thread_;  // last: it uses the others
};

class FaultSweep : public testing::Test {
 protected:
  static constexpr std::uint64_t kSeeds[] = {11, 12, 13};

  void SetUp() override {
    log().set_level(spdlog::level::off);
    auto image = PoolImage::make(1, 32 * kMiB);
    ASSERT_TRUE(image.has_value()) << image.error().message();
    image_ = std::move(*image);
  }

  // Runs make(n) for n in 1 ... how_many(space), for every seed.
  template <class HowMany, class Make>
  void sweep(HowMany&& how_many, Make&& make) {
    FaultCounts counts;
    for (const std::uint64_t seed : kSeeds) {
      const std::vector<Step> steps = draw_history(seed, {.steps_min = 60, .steps_max = 60});
      FaultSpace space;
      watchdog_.begin("the history without a fault");
      ASSERT_EQ(measure_history(*image_, steps, space), "") << "seed " << seed;
      const std::uint64_t points = how_many(space);
      ASSERT_GT(points, 0U) << "seed " << seed << " has nothing of the kind";
      for (std::uint64_t n = 1; n <= points; ++n) {
        const Fault fault = make(n);
        watchdog_.begin("seed " + std::to_string(seed) + ", " + fault.name);
        const std::string trouble = fault_run(*image_, steps, fault, counts);
        ASSERT_EQ(trouble, "") << "seed " << seed;
      }
    }
    std::printf("%llu faults: %llu pools refused to open, %llu errors told, %llu times something was unreadable\n",
                static_cast<unsigned long long>(counts.runs), static_cast<unsigned long long>(counts.open_failures),
                static_cast<unsigned long long>(counts.errors), static_cast<unsigned long long>(counts.unread));
    told_ = counts.errors + counts.open_failures + counts.unread;
  }

  Watchdog watchdog_{std::chrono::seconds(60)};
  std::unique_ptr<PoolImage> image_;
  std::uint64_t told_ = 0;  // faults that somebody noticed
};

TEST_F(FaultSweep, DeviceRequestsFail) {
  for (const int error : {EIO, ENOSPC}) {
    sweep([](const FaultSpace& space) { return space.requests; },
          [error](std::uint64_t n) {
            return Fault{"device request " + std::to_string(n) + " fails with " + std::to_string(error),
                         [n, error](World& world) { world.disk(0).fail_request(n, error); }};
          });
    EXPECT_GT(told_, 0U);
  }
}

TEST_F(FaultSweep, DeviceFlushesFail) {
  sweep([](const FaultSpace& space) { return space.flushes; },
        [](std::uint64_t n) {
          return Fault{"device flush " + std::to_string(n) + " fails", [n](World& world) { world.fail_flush(n); }};
        });
  EXPECT_GT(told_, 0U);
}

TEST_F(FaultSweep, WrittenBitsFlip) {
  sweep([](const FaultSpace& space) { return space.writes; },
        [](std::uint64_t n) {
          return Fault{"device write " + std::to_string(n) + " stores a flipped bit",
                       [n](World& world) { world.flip_write(n); }, false, true};
        });
  EXPECT_GT(told_, 0U);
}

TEST_F(FaultSweep, StoreReadsFail) {
  sweep([](const FaultSpace& space) { return space.store_reads; },
        [](std::uint64_t n) {
          return Fault{"store read " + std::to_string(n) + " fails",
                       [n](World& world) { world.env().fail(EnvOperation::kRead, n, EIO); }};
        });
  EXPECT_GT(told_, 0U);
}

TEST_F(FaultSweep, StoreChangesFail) {
  for (const int error : {EIO, ENOSPC}) {
    for (const bool sticky : {false, true}) {
      sweep([](const FaultSpace& space) { return space.store_changes; },
            [error, sticky](std::uint64_t n) {
              return Fault{
                  "store change " + std::to_string(n) + " fails with " + std::to_string(error) +
                      (sticky ? ", as do all after it" : ""),
                  [n, error, sticky](World& world) { world.env().fail(EnvOperation::kChange, n, error, sticky); }};
            });
      EXPECT_GT(told_, 0U);
    }
  }
}

TEST_F(FaultSweep, StoreSyncsFail) {
  for (const bool sticky : {false, true}) {
    sweep([](const FaultSpace& space) { return space.store_syncs; },
          [sticky](std::uint64_t n) {
            return Fault{"store sync " + std::to_string(n) + " fails" + (sticky ? ", as do all after it" : ""),
                         [n, sticky](World& world) { world.env().fail(EnvOperation::kSync, n, EIO, sticky); }};
          });
    EXPECT_GT(told_, 0U);
  }
}

TEST_F(FaultSweep, TheStoresDiskFillsUp) {
  sweep([](const FaultSpace&) { return std::uint64_t{60}; },
        [](std::uint64_t n) {
          return Fault{"the store's disk has room for " + std::to_string(n * 700) + " bytes more",
                       [n](World& world) {
                         std::uint64_t used = 0;
                         for (const EnvFile& file : world.env().files()) used += file.size_bytes;
                         world.env().set_space_bytes(used + n * 700);
                       },
                       true};
        });
  EXPECT_GT(told_, 0U);
}

// No fault at all, but a pool so small that the history does not fit: ENOSPC is an answer like any other.
TEST_F(FaultSweep, ThePoolFillsUp) {
  auto small = PoolImage::make(1, 16 * kMiB, 15 * kMiB + 800 * kKiB);
  ASSERT_TRUE(small.has_value()) << small.error().message();
  const Fault none{"the pool is small", [](World&) {}, false, false, 1000};
  FaultCounts counts;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    watchdog_.begin("a small pool, seed " + std::to_string(seed));
    const std::vector<Step> steps = draw_history(seed, {.steps_min = 150, .steps_max = 150});
    ASSERT_EQ(fault_run(**small, steps, none, counts), "") << "seed " << seed;
  }
  EXPECT_GT(counts.errors, counts.runs / 2) << "the pool hardly ever was full";
}

}  // namespace
}  // namespace ross::sim
