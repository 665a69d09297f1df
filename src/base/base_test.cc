// Goal: the small parts of base do what their headers say: checksum, random, clock, identifiers, sizes.
// Method: published vectors, fixed seeds, and comparison with a slow definition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/random_bytes.h"
#include "base/strong_id.h"
#include "base/units.h"

namespace ross {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(Checksum, AgreesWithPublishedVectors) {
  EXPECT_EQ(0U, crc32c({}));
  EXPECT_EQ(0xE3069283U, crc32c(bytes("123456789")));
  // RFC 3720, appendix B.4.
  std::array<std::byte, 32> block{};
  EXPECT_EQ(0x8A9136AAU, crc32c(block));
  block.fill(std::byte{0xff});
  EXPECT_EQ(0x62A8AB43U, crc32c(block));
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(i);
  EXPECT_EQ(0x46DD794EU, crc32c(block));
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(31 - i);
  EXPECT_EQ(0x113FDB5CU, crc32c(block));
}

// The definition, bit by bit.
std::uint32_t slow_crc32c(std::span<const std::byte> data) {
  std::uint32_t crc = ~0U;
  for (const std::byte byte : data) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
  }
  return ~crc;
}

TEST(Checksum, AgreesWithItsDefinitionAtEveryLengthAndAddressAndChains) {
  Random random(1);
  std::vector<std::byte> data(2000);
  for (std::byte& byte : data) byte = static_cast<std::byte>(random());
  for (std::size_t size = 0; size < 600; ++size) {
    const auto part = std::span(data).subspan(size % 17, size);
    const std::uint32_t whole = crc32c(part);
    ASSERT_EQ(slow_crc32c(part), whole) << size;
    const std::size_t cut = random.below(size + 1);
    ASSERT_EQ(whole, crc32c(part.subspan(cut), crc32c(part.first(cut)))) << size << " cut at " << cut;
  }
}

TEST(Random, RepeatsForASeedAndDiffersBetweenSeeds) {
  Random a(1);
  Random b(1);
  Random c(2);
  int same = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto value = a();
    ASSERT_EQ(value, b());
    same += value == c();
  }
  EXPECT_EQ(0, same);
}

// A recorded simulation is replayed by its seed: the sequence of a seed may never change.
TEST(Random, TheSequenceOfASeedIsFixed) {
  Random random(0);
  const std::array<std::uint64_t, 3> first = {random(), random(), random()};
  EXPECT_EQ((std::array<std::uint64_t, 3>{0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0}), first);
}

TEST(Random, BelowIsInRangeAndEven) {
  Random random(3);
  for (const std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, UINT64_MAX}) {
    for (int i = 0; i < 1000; ++i) ASSERT_LT(random.below(bound), bound);
  }
  std::array<int, 10> seen{};
  for (int i = 0; i < 100'000; ++i) ++seen[random.below(10)];
  for (const int count : seen) EXPECT_NEAR(10'000, count, 500);
  int heads = 0;
  for (int i = 0; i < 100'000; ++i) heads += random.chance(1, 4);
  EXPECT_NEAR(25'000, heads, 700);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(random.chance(0, 5));
    EXPECT_TRUE(random.chance(5, 5));
  }
}

TEST(Random, SeedsOfTheKernelDiffer) {
  std::unordered_set<std::uint64_t> seeds;
  for (int i = 0; i < 100; ++i) seeds.insert(random_seed());
  EXPECT_EQ(100U, seeds.size());
}

TEST(Random, AReserveGivesNothingTwice) {
  RandomReserve reserve;
  std::unordered_set<std::uint64_t> taken;
  for (std::size_t i = 0; i < 3 * RandomReserve::kBytes / 24; ++i) {  // past its end, which no number of these meets
    for (const std::uint64_t word : reserve.take<std::uint64_t, 3>()) EXPECT_TRUE(taken.insert(word).second);
  }
}

TEST(Clock, TheMachinesGoesForwardAndDoesNotJump) {
  Clock& clock = system_clock();
  std::int64_t last = clock.monotonic_ns();
  for (int i = 0; i < 1000; ++i) {
    const std::int64_t now = clock.monotonic_ns();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_FALSE(clock.jump_to(last + 1'000'000'000'000));
  EXPECT_LT(clock.monotonic_ns(), last + 1'000'000'000'000);
  EXPECT_GT(clock.realtime_ns(), 1'600'000'000'000'000'000) << "the machine's date is before 2020";
}

TEST(Clock, TheSimulatedMovesOnlyWhenToldAndNeverBack) {
  SimClock clock(5'000);
  EXPECT_EQ(0, clock.monotonic_ns());
  EXPECT_EQ(5'000, clock.realtime_ns());
  clock.advance(10);
  EXPECT_TRUE(clock.jump_to(100));
  EXPECT_TRUE(clock.jump_to(50));
  EXPECT_EQ(100, clock.monotonic_ns());
  EXPECT_EQ(5'100, clock.realtime_ns());
}

struct AppleTag;
struct PearTag;
using Apple = StrongId<AppleTag, std::uint64_t>;
using Pear = StrongId<PearTag, std::uint64_t>;
static_assert(!std::is_convertible_v<std::uint64_t, Apple>);
static_assert(!std::is_convertible_v<Apple, std::uint64_t>);
static_assert(!std::is_convertible_v<Apple, Pear>);
static_assert(sizeof(Apple) == sizeof(std::uint64_t));

TEST(StrongId, ComparesAndHashesByValue) {
  EXPECT_EQ(Apple(), Apple(0));
  EXPECT_LT(Apple(1), Apple(2));
  const std::unordered_set<Apple> set = {Apple(1), Apple(2), Apple(1)};
  EXPECT_EQ(2U, set.size());
}

static_assert(round_down(4097, 4096) == 4096 && round_down(4095, 4096) == 0 && round_down(8192, 4096) == 8192);
static_assert(round_up(4097, 4096) == 8192 && round_up(0, 4096) == 0 && round_up(4096, 4096) == 4096);
static_assert(kTiB == std::uint64_t{1} << 40);

}  // namespace
}  // namespace ross
