// Goal: a Memory addresses its spans as one range, and a BufferPool keeps its bound, its alignment and its buffers.
// Method: every range of a memory cut into uneven spans against one flat array; leases to the bound and back.
#include "memory/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "memory/buffer_pool.h"

namespace ross::memory {
namespace {

// 40 bytes in spans of 7, 0, 1, 20, 0 and 12, each an array of its own.
class Scattered : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = 40;
  Scattered() {
    for (const std::size_t size : {7, 0, 1, 20, 0, 12}) parts_.emplace_back(size);
    for (auto& part : parts_) spans_.push_back({part.data(), part.size()});
    memory_ = Memory(std::span<const Span>(spans_));
    for (std::size_t i = 0; i < kBytes; ++i) flat_[i] = static_cast<std::byte>(i + 1);
    memory_.copy_in(0, flat_);
  }
  std::array<std::byte, kBytes> all() const {
    std::array<std::byte, kBytes> out{};
    memory_.copy_out(0, out);
    return out;
  }
  std::vector<std::vector<std::byte>> parts_;
  std::vector<Span> spans_;
  Memory memory_;
  std::array<std::byte, kBytes> flat_;
};

TEST_F(Scattered, EveryRangeCopiesLikeAFlatArray) {
  EXPECT_EQ(kBytes, memory_.size_bytes());
  EXPECT_EQ(6U, memory_.spans().size());
  EXPECT_EQ(flat_, all());
  for (std::size_t at = 0; at <= kBytes; ++at) {
    for (std::size_t size = 0; at + size <= kBytes; ++size) {
      std::vector<std::byte> out(size);
      memory_.copy_out(at, out);
      ASSERT_TRUE(std::equal(out.begin(), out.end(), flat_.begin() + at)) << at << "+" << size;
      for (std::byte& byte : out) byte ^= std::byte{0xff};
      memory_.copy_in(at, out);
      std::copy(out.begin(), out.end(), flat_.begin() + at);
      ASSERT_EQ(flat_, all()) << at << "+" << size;
    }
  }
}

TEST_F(Scattered, EveryRangeIsZeroedAndNothingElse) {
  for (std::size_t at = 0; at <= kBytes; ++at) {
    for (std::size_t size = 0; at + size <= kBytes; ++size) {
      memory_.copy_in(0, flat_);
      memory_.fill_zero(at, size);
      auto expected = flat_;
      std::memset(expected.data() + at, 0, size);
      ASSERT_EQ(expected, all()) << at << "+" << size;
    }
  }
}

TEST_F(Scattered, ContiguousRangesAreFoundAndOthersNot) {
  for (std::size_t at = 0; at < kBytes; ++at) {
    for (std::size_t size = 1; at + size <= kBytes; ++size) {
      std::byte* const found = memory_.contiguous(at, size);
      const bool one_span = at + size <= 7 || (at == 7 && size == 1) || (at >= 8 && at + size <= 28) || at >= 28;
      ASSERT_EQ(one_span, found != nullptr) << at << "+" << size;
      if (found != nullptr) {
        ASSERT_EQ(0, std::memcmp(found, flat_.data() + at, size));
      }
    }
  }
  EXPECT_EQ(nullptr, memory_.contiguous(kBytes, 1));
  EXPECT_EQ(nullptr, memory_.contiguous(0, SIZE_MAX));
  EXPECT_EQ(nullptr, memory_.contiguous(1, SIZE_MAX)) << "the sum overflows";
}

TEST(Memory, OfOneSpanAndOfNone) {
  std::array<std::byte, 8> bytes{};
  const Memory one(bytes.data(), bytes.size());
  EXPECT_EQ(8U, one.size_bytes());
  EXPECT_EQ(1U, one.spans().size());
  EXPECT_EQ(bytes.data() + 3, one.contiguous(3, 5));
  const Memory copy = one;  // a copy names its own single span
  EXPECT_EQ(bytes.data(), copy.spans()[0].data);
  const Memory none;
  EXPECT_EQ(0U, none.size_bytes());
  EXPECT_TRUE(none.spans().empty());
  EXPECT_EQ(nullptr, none.contiguous(0, 1));
  none.copy_in(0, {});
  none.fill_zero(0, 0);
}

TEST(MemoryDeathTest, ARangePastTheEndIsABug) {
  if (std::getenv("ROSS_EMULATED") != nullptr) GTEST_SKIP() << "a program in emulation cannot start itself anew";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  std::array<std::byte, 8> bytes{};
  const Memory memory(bytes.data(), bytes.size());
  EXPECT_DEATH(memory.fill_zero(4, 5), "past the end");
  EXPECT_DEATH(memory.fill_zero(1, SIZE_MAX), "past the end");
}

TEST(BufferPool, LendsAlignedDistinctBuffersUpToItsBoundAndTakesThemBack) {
  BufferPool pool({.buffer_bytes = 8192, .buffers_max = 4});
  for (int round = 0; round < 3; ++round) {
    std::vector<Lease> leases;
    std::set<std::byte*> seen;
    for (int i = 0; i < 4; ++i) {
      auto lease = pool.lease();
      ASSERT_TRUE(lease.has_value());
      EXPECT_TRUE(static_cast<bool>(*lease));
      EXPECT_EQ(8192U, lease->span().size());
      EXPECT_EQ(0U, reinterpret_cast<std::uintptr_t>(lease->data()) % 4096);
      std::memset(lease->data(), i, 8192);
      seen.insert(lease->data());
      leases.push_back(*std::move(lease));
    }
    EXPECT_EQ(4U, seen.size());
    const auto refused = pool.lease();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(ENOBUFS, refused.error().error());
    EXPECT_EQ(Retry::kNow, refused.error().retry());
    leases.pop_back();
    EXPECT_TRUE(pool.lease().has_value());  // and back at once
  }
}

TEST(BufferPool, MovedLeasesGiveTheirBufferBackOnce) {
  BufferPool pool({.buffer_bytes = 4096, .buffers_max = 2});
  Lease a = *pool.lease();
  std::byte* const data = a.data();
  Lease b = std::move(a);
  EXPECT_FALSE(static_cast<bool>(a));
  EXPECT_TRUE(a.span().empty());
  EXPECT_EQ(data, b.data());
  b = *pool.lease();  // the first goes back when the temporary that took it ends
  EXPECT_NE(data, b.data());
  const Lease again = *pool.lease();
  EXPECT_EQ(data, again.data());
  EXPECT_FALSE(pool.lease().has_value());
}

TEST(BufferPool, ThreadsNeverShareABuffer) {
  BufferPool pool({.buffer_bytes = 4096, .buffers_max = 3});
  std::vector<std::thread> threads;
  for (int number = 1; number <= 4; ++number) {
    threads.emplace_back([&pool, number] {
      for (int i = 0; i < 2000; ++i) {
        const auto lease = pool.lease();
        if (!lease) continue;
        std::memset(lease->data(), number, 64);
        for (int at = 0; at < 64; ++at) EXPECT_EQ(std::byte(number), lease->data()[at]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(BufferPoolDeathTest, ALentBufferOutlivingItsPoolIsABug) {
  if (std::getenv("ROSS_EMULATED") != nullptr) GTEST_SKIP() << "a program in emulation cannot start itself anew";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Lease kept;
        BufferPool pool({.buffer_bytes = 4096, .buffers_max = 1});
        kept = *pool.lease();
      },
      "lent out");
}

}  // namespace
}  // namespace ross::memory
