// Nothing lost: seeded histories with a power cut at a random point, each judged by the model (crash_run.h).
//
// crash_test --histories=N [--first=SEED] runs N seeds; --seed=N plays one again and tells every step; with --shrink it also
// leaves out the steps that the failure does not need.
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/log.h"
#include "base/units.h"
#include "crash_run.h"
#include "effort.h"

namespace {

std::uint64_t histories = ross::repeats(std::uint64_t{300});
std::uint64_t first_seed = 1;
std::uint64_t only_seed = 0;
bool shrink_it = false;

bool take_number(std::string_view argument, std::string_view name, std::uint64_t& value) {
  if (!argument.starts_with(name)) return false;
  argument.remove_prefix(name.size());
  return std::from_chars(argument.data(), argument.data() + argument.size(), value).ec == std::errc();
}

}  // namespace

namespace ross::sim {
namespace {

void print(const CrashCounts& counts) {
  const auto each_us = [&](std::chrono::nanoseconds total) {
    return static_cast<double>(total.count()) / 1000.0 / static_cast<double>(counts.runs);
  };
  std::printf(
      "%llu histories, %llu steps; %llu cuts inside an operation, %llu times something unsynced was kept, %llu "
      "unsynced steps lost\n"
      "us per history: make %.0f, open and close %.0f, run %.0f, recover %.0f, judge %.0f, go on %.0f, fsck %.0f\n",
      static_cast<unsigned long long>(counts.runs), static_cast<unsigned long long>(counts.steps),
      static_cast<unsigned long long>(counts.cut_inside), static_cast<unsigned long long>(counts.kept_unsynced),
      static_cast<unsigned long long>(counts.lost_steps), each_us(counts.make), each_us(counts.open),
      each_us(counts.run), each_us(counts.recover), each_us(counts.judge), each_us(counts.second),
      each_us(counts.fsck));
}

TEST(Crash, NothingAcknowledgedIsLostAndTheRestIsWhole) {
  log().set_level(spdlog::level::off);  // a cut makes every layer complain
  constexpr std::uint64_t kDeviceBytes = 64 * kMiB;
  auto one = PoolImage::make(1, kDeviceBytes);
  ASSERT_TRUE(one.has_value()) << one.error().message();
  auto two = PoolImage::make(2, kDeviceBytes);
  ASSERT_TRUE(two.has_value()) << two.error().message();
  const std::vector<const PoolImage*> images{one->get(), two->get()};
  CrashCounts counts;
  CrashOptions options;
  options.verbose = only_seed != 0;
  const std::uint64_t begin = only_seed != 0 ? only_seed : first_seed;
  const std::uint64_t end = begin + (only_seed != 0 ? 1 : histories);
  constexpr int kFailuresMax = 5;
  int failures = 0;
  for (std::uint64_t seed = begin; seed < end && failures < kFailuresMax; ++seed) {
    const std::string trouble = crash_run(images, seed, options, counts);
    if (trouble.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << ": " << trouble;
    if (!shrink_it) continue;
    const std::vector<Step> steps = shrink(images, seed, options);
    CrashOptions again = options;
    again.steps = &steps;
    again.verbose = true;
    std::fprintf(stderr, "the smallest history:\n");
    const std::string still = crash_run(images, seed, again, counts);
    std::fprintf(stderr, "  => %s\n", still.c_str());
  }
  print(counts);
  if (only_seed != 0) return;
  EXPECT_GT(counts.cut_inside, counts.runs / 10) << "too few cuts fall inside an operation";
}

}  // namespace
}  // namespace ross::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--shrink") {
      shrink_it = true;
    } else if (!take_number(argument, "--seed=", only_seed) && !take_number(argument, "--first=", first_seed) &&
               !take_number(argument, "--histories=", histories)) {
      std::fprintf(stderr, "crash_test: unknown argument %s\n", argv[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
