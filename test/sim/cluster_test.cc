// Client, network, server and engine in one seeded world: nobody who lives is told an error that is not promised, every change is
// made once, what was answered outlives the process and what was synced the machine, and who goes leaves nothing behind (cluster_run.h).
//
// cluster_test --histories=N [--first=SEED] runs N seeds; --seed=N plays one again and tells every step, with the digest of all up to
// it, so that two runs can be compared line by line. --digests prints nothing but the digest of each seed. --agent puts an agent between
// clients and engine.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/units.h"
#include "cluster_run.h"
#include "effort.h"

namespace {

std::uint64_t histories = ross::repeats(std::uint64_t{200});
std::uint64_t first_seed = 1;
std::uint64_t only_seed = 0;
bool only_digests = false;
bool with_agent = false;

bool take_number(std::string_view argument, std::string_view name, std::uint64_t& value) {
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  return std::from_chars(argument.data(), argument.data() + argument.size(), value).ec == std::errc();
}

}  // namespace

namespace ross::sim {
namespace {

Result<std::unique_ptr<PoolImage>> make_image() { return PoolImage::make(1, 64 * kMiB); }

std::string play(const PoolImage& image, std::uint64_t seed, ClusterCounts& counts) {
  return cluster_run(image, {.seed = seed, .agent = with_agent, .verbose = only_seed != 0}, counts);
}

std::string digest_line(std::uint64_t seed, const ClusterCounts& counts) {
  return fmt::format("{} {:x}\n", seed, counts.digest);
}

class ClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // An end makes every layer complain.
    log().set_level(only_seed != 0 ? spdlog::level::info : spdlog::level::off);
    auto made = make_image();
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
  if (!with_agent) return;
  std::printf("the agent was killed %llu times, stopped %llu times; %llu KiB of data were staged, %llu went past it\n",
              number(counts.agent_kills), number(counts.agent_stops), number(counts.staged_bytes / kKiB),
              number(counts.past_bytes / kKiB));
}

TEST_F(ClusterTest, NothingIsLostNothingIsDoneTwiceNothingIsLeft) {
  ClusterCounts counts;
  const std::uint64_t begin = only_seed != 0 ? only_seed : first_seed;
  const std::uint64_t end = begin + (only_seed != 0 ? 1 : histories);
  constexpr int kFailuresMax = 5;
  int failures = 0;
  for (std::uint64_t seed = begin; seed < end && failures < kFailuresMax; ++seed) {
    const std::string trouble = play(*image, seed, counts);
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
  EXPECT_EQ(counts.agent_kills > counts.runs / 5, with_agent);
  EXPECT_EQ(counts.staged_bytes > 0 && counts.past_bytes > 0, with_agent);
  EXPECT_LT(counts.undecided, counts.clients / 4) << "too little is judged after power cuts";
}

TEST_F(ClusterTest, ASeedIsPlayedTheSameAgain) {
  if (only_seed != 0) return;
  for (std::uint64_t seed = first_seed; seed < first_seed + 10; ++seed) {
    ClusterCounts one;
    ClusterCounts other;
    static_cast<void>(play(*image, seed, one));
    static_cast<void>(play(*image, seed, other));
    EXPECT_EQ(one.digest, other.digest) << "seed " << seed;
    EXPECT_EQ(one.steps, other.steps) << "seed " << seed;
  }
}

// Hash tables are in another order there, and memory is elsewhere.
TEST_F(ClusterTest, ASeedIsPlayedTheSameInEveryProcess) {
  if (only_seed != 0) return;
  constexpr int kSeeds = 10;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command =
      fmt::format("'{}' --digests --first={} --histories={}{}", self, first_seed, kSeeds, with_agent ? " --agent" : "");
  std::FILE* const other = ::popen(command.c_str(), "r");
  ASSERT_NE(other, nullptr);
  for (std::uint64_t seed = first_seed; seed < first_seed + kSeeds; ++seed) {
    ClusterCounts counts;
    static_cast<void>(play(*image, seed, counts));
    char line[100] = "";
    ASSERT_NE(std::fgets(line, sizeof line, other), nullptr) << "seed " << seed;
    EXPECT_EQ(line, digest_line(seed, counts)) << "seed " << seed;
  }
  EXPECT_EQ(::pclose(other), 0);
}

int print_digests() {
  log().set_level(spdlog::level::off);
  const auto image = make_image();
  if (!image) return 1;
  for (std::uint64_t seed = first_seed; seed < first_seed + histories; ++seed) {
    ClusterCounts counts;
    static_cast<void>(play(**image, seed, counts));
    std::fputs(digest_line(seed, counts).c_str(), stdout);
  }
  return 0;
}

}  // namespace
}  // namespace ross::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--digests" || argument == "--agent") {
      (argument == "--agent" ? with_agent : only_digests) = true;
      continue;
    }
    if (!take_number(argument, "--seed=", only_seed) && !take_number(argument, "--first=", first_seed) &&
        !take_number(argument, "--histories=", histories)) {
      std::fprintf(stderr, "cluster_test: unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  return only_digests ? ross::sim::print_digests() : RUN_ALL_TESTS();
}
