// Client, network, server and engine in one seeded world: nobody who lives is told an error that is not promised, every change is
// made once, what was answered outlives the process and what was synced the machine, and who goes leaves nothing behind (cluster_run.h).
//
// cluster_test --histories=N [--first=SEED] runs N seeds; --seed=N plays one again and tells every step.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "base/units.h"
#include "cluster_run.h"

namespace {

std::uint64_t histories = 200;
std::uint64_t first_seed = 1;
std::uint64_t only_seed = 0;

bool take_number(std::string_view argument, std::string_view name, std::uint64_t& value) {
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  return std::from_chars(argument.data(), argument.data() + argument.size(), value).ec == std::errc();
}

}  // namespace

namespace ross::sim {
namespace {

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // An end makes every layer complain.
    log().set_level(only_seed != 0 ? spdlog::level::info : spdlog::level::off);
    auto made = PoolImage::make(1, 64 * kMiB);
    ASSERT_TRUE(made.has_value()) << made.error().message();
    image = *std::move(made);
  }
  std::unique_ptr<PoolImage> image;
};

void print(const ClusterCounts& counts) {
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu histories of %llu clients, %llu steps, %llu turns, %llu races, %llu messages, in %llu simulated hours; the "
      "engine was killed %llu times, lost its power %llu times (%llu of these at a thing written), was stopped %llu "
      "times; "
      "%llu clients were killed, %llu lost their session; %llu channels were cut, %llu partitions; of what was asked "
      "for "
      "again %llu changes had been made, %llu more in an earlier life of the server; %llu containers are undecided; "
      "digest %llx\n",
      number(counts.runs), number(counts.clients), number(counts.steps), number(counts.turns), number(counts.races),
      number(counts.messages), number(counts.seconds / 3600), number(counts.kills), number(counts.power_cuts),
      number(counts.by_itself), number(counts.stops), number(counts.clients_killed), number(counts.clients_lost),
      number(counts.cuts), number(counts.partitions), number(counts.skipped_here), number(counts.skipped_across),
      number(counts.undecided), number(counts.digest));
}

TEST_F(ClusterTest, NothingIsLostNothingIsDoneTwiceNothingIsLeft) {
  ClusterCounts counts;
  const std::uint64_t begin = only_seed != 0 ? only_seed : first_seed;
  const std::uint64_t end = begin + (only_seed != 0 ? 1 : histories);
  constexpr int kFailuresMax = 5;
  int failures = 0;
  for (std::uint64_t seed = begin; seed < end && failures < kFailuresMax; ++seed) {
    const std::string trouble = cluster_run(*image, seed, only_seed != 0, counts);
    if (trouble.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << ": " << trouble;
  }
  print(counts);
  if (counts.runs < 200 || failures > 0) return;
  EXPECT_GT(counts.skipped_here, 0U);
  EXPECT_GT(counts.skipped_across, 0U);
  EXPECT_GT(counts.clients_lost, 0U);
  EXPECT_GT(counts.kills, counts.runs / 5);
  EXPECT_LT(counts.undecided, counts.clients / 4) << "too little is judged after power cuts";
}

TEST_F(ClusterTest, ASeedIsPlayedTheSameAgain) {
  if (only_seed != 0) return;
  for (std::uint64_t seed = first_seed; seed < first_seed + 10; ++seed) {
    ClusterCounts one;
    ClusterCounts other;
    static_cast<void>(cluster_run(*image, seed, false, one));
    static_cast<void>(cluster_run(*image, seed, false, other));
    EXPECT_EQ(one.digest, other.digest) << "seed " << seed;
    EXPECT_EQ(one.steps, other.steps) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ross::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!take_number(argument, "--seed=", only_seed) && !take_number(argument, "--first=", first_seed) &&
        !take_number(argument, "--histories=", histories)) {
      std::fprintf(stderr, "cluster_test: unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
