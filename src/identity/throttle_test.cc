// Goal: over any time that is longer than the burst a limit is met within 5 %, and a burst after a pause is no larger than what was set.
#include "identity/throttle.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ross::identity {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

TEST(Throttle, MeetsItsRateInOrder) {
  for (const std::uint64_t size : {std::uint64_t{4096}, std::uint64_t{1} << 20}) {
    Throttle throttle({.bytes_per_second = 50 << 20});
    std::int64_t now_ns = 7 * kSecondNs;  // each asks as soon as the last one began
    const std::int64_t begin_ns = now_ns;
    std::uint64_t bytes = 0;
    while (now_ns < begin_ns + 10 * kSecondNs) {
      const std::int64_t at_ns = throttle.take(size, now_ns);
      ASSERT_GE(at_ns, now_ns);
      now_ns = at_ns;
      bytes += size;
    }
    EXPECT_NEAR(static_cast<double>(bytes), 500.0 * (1 << 20), 500.0 * (1 << 20) * 0.05) << size;
  }
}

TEST(Throttle, ABurstIsWhatWasSet) {
  Throttle throttle({.ops_per_second = 100, .ops_burst = 10});
  const auto at_once = [&throttle](std::int64_t now_ns) {
    int count = 0;
    while (throttle.take(0, now_ns) == now_ns) ++count;
    return count;
  };
  EXPECT_EQ(at_once(kSecondNs), 11);         // the burst, and the one that is due
  EXPECT_EQ(at_once(3600 * kSecondNs), 11);  // no more after a long pause
}

TEST(Throttle, WithoutLimitsNobodyWaits) {
  Throttle throttle(Limits{});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(throttle.take(1 << 30, 5), 5);
}

// Reads that find a tenth of what they asked for take a tenth; who leaves with much asked for owes nothing for it.
TEST(Throttle, WhatIsGivenBackWasNotTaken) {
  Throttle throttle({.bytes_per_second = 1 << 20});
  std::int64_t now_ns = kSecondNs;
  const std::int64_t begin_ns = now_ns;
  std::uint64_t bytes = 0;
  while (now_ns < begin_ns + 10 * kSecondNs) {
    now_ns = throttle.take(40960, now_ns);
    throttle.give_back(40960 - 4096, 0);
    bytes += 4096;
  }
  EXPECT_NEAR(static_cast<double>(bytes), 10.0 * (1 << 20), 0.05 * 10 * (1 << 20));
  for (int i = 0; i < 1000; ++i) throttle.take(1 << 20, now_ns);
  throttle.give_back(1000ULL << 20, 1000);
  EXPECT_LE(throttle.take(4096, now_ns), now_ns + kSecondNs / 100);
}

// The stricter of the two counts.
TEST(Throttle, BytesAndOperations) {
  Throttle throttle({.bytes_per_second = 1000, .bytes_burst = 1, .ops_per_second = 10, .ops_burst = 1});
  std::int64_t now_ns = kSecondNs;
  for (int i = 0; i < 20; ++i) now_ns = throttle.take(1000, now_ns);
  EXPECT_GE(now_ns, 19 * kSecondNs);
  for (int i = 0; i < 20; ++i) now_ns = throttle.take(1, now_ns);
  EXPECT_LE(now_ns, 24 * kSecondNs);
}

}  // namespace
}  // namespace ross::identity
