// Nothing answered is lost when the process is killed, and nothing is done twice: seeded histories with kills and power cuts, each
// judged by the model (kept_run.h).
//
// kept_test --histories=N [--first=SEED] runs N seeds; --seed=N plays one again and tells every step.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "base/units.h"
#include "effort.h"
#include "kept_run.h"

namespace {

std::uint64_t histories = ross::repeats(std::uint64_t{300});
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

TEST(Kept, WhatIsAnsweredIsThereAndEveryChangeIsMadeOnce) {
  log().set_level(spdlog::level::off);  // an end makes every layer complain
  constexpr std::uint64_t kDeviceBytes = 64 * kMiB;
  auto one = PoolImage::make(1, kDeviceBytes);
  ASSERT_TRUE(one.has_value()) << one.error().message();
  auto two = PoolImage::make(2, kDeviceBytes);
  ASSERT_TRUE(two.has_value()) << two.error().message();
  const std::vector<const PoolImage*> images{one->get(), two->get()};
  KeptCounts counts;
  const std::uint64_t begin = only_seed != 0 ? only_seed : first_seed;
  const std::uint64_t end = begin + (only_seed != 0 ? 1 : histories);
  constexpr int kFailuresMax = 5;
  int failures = 0;
  for (std::uint64_t seed = begin; seed < end && failures < kFailuresMax; ++seed) {
    const std::string trouble = kept_run(images, seed, only_seed != 0, counts);
    if (trouble.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << ": " << trouble;
  }
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu histories, %llu steps, %llu keeps; %llu kills and %llu power cuts, %llu of them inside an operation; of "
      "what was "
      "not answered %llu was made and %llu done again; power cuts took back %llu kept steps\n",
      number(counts.runs), number(counts.steps), number(counts.keeps), number(counts.kills), number(counts.power_cuts),
      number(counts.inside), number(counts.resent_skipped), number(counts.resent_done), number(counts.kept_lost));
  if (only_seed != 0 || failures > 0) return;
  EXPECT_GT(counts.inside, counts.runs / 10) << "too few ends fall inside an operation";
  EXPECT_GT(counts.resent_skipped, 0U);
  EXPECT_GT(counts.resent_done, 0U);
  EXPECT_GT(counts.kept_lost, 0U);
}

}  // namespace
}  // namespace ross::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!take_number(argument, "--seed=", only_seed) && !take_number(argument, "--first=", first_seed) &&
        !take_number(argument, "--histories=", histories)) {
      std::fprintf(stderr, "kept_test: unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
