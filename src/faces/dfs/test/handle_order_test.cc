// Goal: who finds a handle finds the object whole that its maker put there, without a lock between the two.
// Method: one thread adds objects and tells their cookies through a word that orders nothing; others look them up at once. The
// thread sanitizer sees whether the table alone orders what they read, whichever processor the test runs on.
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>
#include <vector>

#include "base/clock.h"
#include "faces/dfs/handle_table.h"

namespace ross::dfs {
namespace {

TEST(HandleOrder, WhatIsFoundIsWhole) {
  constexpr std::uint64_t kObjects = 5000;  // several chunks of the table
  constexpr std::int64_t kFindersPatienceNs = 60'000'000'000;
  struct Object {
    std::uint64_t number;
    std::uint64_t inverse;
  };
  HandleTable<Object> table(HandleType::kObject, 1);
  std::vector<std::atomic<std::uint64_t>> cookies(kObjects);
  std::atomic<std::uint64_t> whole = 0;
  const auto find_all = [&] {
    const std::int64_t until = system_clock().monotonic_ns() + kFindersPatienceNs;
    for (std::uint64_t i = 0; i < kObjects;) {
      const std::uint64_t cookie = cookies[i].load(std::memory_order_relaxed);
      const Object* const object = cookie == 0 ? nullptr : table.find(cookie);
      if (object == nullptr) {
        if (system_clock().monotonic_ns() >= until) return;
        ::sched_yield();
        continue;
      }
      if (object->number == i && object->inverse == ~i) whole.fetch_add(1, std::memory_order_relaxed);
      ++i;
    }
  };
  std::vector<std::thread> finders;
  for (int i = 0; i < 2; ++i) finders.emplace_back(find_all);
  for (std::uint64_t i = 0; i < kObjects; ++i) {
    auto cookie = table.add(std::make_unique<Object>(i, ~i));
    ROSS_CHECK(cookie.has_value());
    cookies[i].store(*cookie, std::memory_order_relaxed);
  }
  for (std::thread& finder : finders) finder.join();
  EXPECT_EQ(whole.load(), 2 * kObjects);
}

}  // namespace
}  // namespace ross::dfs
