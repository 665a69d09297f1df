// Goal: a loop runs messages, timers and ring completions exactly once, wakes from sleep, and tasks chain.
// Method: real loops and threads; simulated clock for timers.
#include "runtime/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "runtime/sync.h"

namespace ross::runtime {
namespace {

Task<Result<int>> add(Loop& loop, int a, int b) {
  co_await loop.sleep_until(loop.clock().monotonic_ns() + 1000);
  co_return a + b;
}
Task<Result<int>> add_twice(Loop& loop) {
  ROSS_CO_TRY(const int first, co_await add(loop, 1, 2));
  ROSS_CO_TRY(const int second, co_await add(loop, first, 4));
  ROSS_CO_TRY(const int third, co_await Task<Result<int>>::ready(second + 1));
  if (third != 8) co_return fail(EINVAL);
  co_return third;
}

TEST(Loop, TasksChainOverTimersOfASimulatedClock) {
  SimClock clock;
  auto loop = *Loop::create({.clock = &clock});
  EXPECT_EQ(8, loop->block_on(add_twice(*loop)).value());
  EXPECT_EQ(2000, clock.monotonic_ns());
}

TEST(Loop, MessagesFromOtherThreadsWakeASleeperAndKeepTheirOrder) {
  auto loop = *Loop::create({.spin_ns = 0});
  struct Numbered : Message {
    std::vector<int>* seen;
    int number;
  };
  std::vector<int> seen;
  std::vector<Numbered> messages(100);
  std::thread sender([&] {
    for (int i = 0; i < 100; ++i) {
      messages[i].run = [](Message& m) {
        auto& self = static_cast<Numbered&>(m);
        self.seen->push_back(self.number);
      };
      messages[i].seen = &seen;
      messages[i].number = i;
      loop->post(messages[i]);
    }
  });
  while (seen.size() < 100) loop->wait();
  sender.join();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(i, seen[i]);
}

TEST(Loop, RingCompletionsRunOnceAlsoPastTheRingsSize) {
  auto loop = *Loop::create({.ring_entries = 8});
  ASSERT_TRUE(loop->ring().has_value());
  struct Counted : Completion {
    int times = 0;
  };
  std::vector<Counted> all(100);
  for (auto& one : all) {
    one.done = [](Completion& c, int result) {
      EXPECT_EQ(0, result);
      ++static_cast<Counted&>(c).times;
    };
    io_uring_prep_nop(loop->next_sqe(one));
  }
  const auto started = loop->clock().monotonic_ns();
  while (loop->ring_inflight() > 0 && loop->clock().monotonic_ns() - started < 5'000'000'000) loop->wait();
  for (auto& one : all) EXPECT_EQ(1, one.times);
}

TEST(Loop, DeadlinePassesWithARingAndWithout) {
  for (const bool ring : {false, true}) {
    auto loop = *Loop::create({.spin_ns = 0});
    if (ring) {
      ASSERT_TRUE(loop->ring().has_value());
    }
    const auto started = loop->clock().monotonic_ns();
    EXPECT_EQ(0U, loop->wait(started + 2'000'000));
    EXPECT_GE(loop->clock().monotonic_ns(), started + 2'000'000);
  }
}

TEST(WaitQueue, NotifyResumesWaitersOnTheirOwnLoops) {
  auto loop = *Loop::create();
  std::mutex mutex;
  WaitQueue queue;
  bool open = false;
  std::thread opener([&] {
    const std::lock_guard lock(mutex);
    open = true;
    queue.notify_all();
  });
  auto waiter = [](std::mutex& m, WaitQueue& q, bool& condition) -> Task<Status> {
    std::unique_lock lock(m);
    while (!condition) co_await q.wait(lock);
    co_return Status();
  };
  EXPECT_TRUE(loop->block_on(waiter(mutex, queue, open)).ok());
  opener.join();
}

}  // namespace
}  // namespace ross::runtime
