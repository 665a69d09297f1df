// Goal: every fault of the simulated network happens, happens again from the same seed, and what channel.h and endpoint.h
// promise holds all the same.
// Method: a world of hosts that check each call (world_for_test.h), run under each fault alone and under all together.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/sanitizer.h"
#include "fabric/sim/network.h"
#include "fabric/sim/world_for_test.h"

namespace ross::fabric::sim {
namespace {

struct Fault {
  std::string name;
  WorldOptions options;
  std::function<std::uint64_t(const Counters&)> happened;
};

std::vector<Fault> faults() {
  std::vector<Fault> all;
  const auto add = [&](const char* name, auto&& set, std::function<std::uint64_t(const Counters&)> happened) {
    Fault& fault = all.emplace_back();
    fault.name = name;
    fault.happened = std::move(happened);
    set(fault.options);
  };
  add(
      "Delays", [](WorldOptions&) {}, [](const Counters& c) { return c.overtakings; });
  add(
      "Stalls", [](WorldOptions& o) { o.link.stall_per_million = 10'000; }, [](const Counters& c) { return c.stalls; });
  add(
      "CutsNoticedInTime", [](WorldOptions& o) { o.link.cut_per_million = 5'000; },
      [](const Counters& c) { return std::min(c.cuts, c.noticed_in_time); });
  add(
      "CutsNoticedOnUse",
      [](WorldOptions& o) {
        o.link.cut_per_million = 5'000;
        o.link.notices_on_use_per_million = 1'000'000;
      },
      [](const Counters& c) { return std::min(c.cuts, c.noticed_on_use); });
  add(
      "CutsNeverNoticed",
      [](WorldOptions& o) {
        o.link.cut_per_million = 5'000;
        o.link.never_notices_per_million = 1'000'000;
      },
      [](const Counters& c) { return std::min(c.cuts, c.never_noticed); });
  add(
      "Partitions", [](WorldOptions& o) { o.link.partition_per_million = 2'000; },
      [](const Counters& c) { return std::min(c.partitions, c.waited_for_partition); });
  add(
      "PartitionsAsked", [](WorldOptions& o) { o.partitions_per_million = 5'000; },
      [](const Counters& c) { return std::min(c.partitions, c.waited_for_partition); });
  add(
      "CutsAfterPartitions",
      [](WorldOptions& o) {
        o.link.partition_per_million = 2'000;
        o.link.cut_after_partition_per_million = 100'000;
      },
      [](const Counters& c) { return std::min(c.cuts, c.partitions); });
  add(
      "Crashes", [](WorldOptions& o) { o.crashes_per_million = 1'500; },
      [](const Counters& c) { return std::min(c.crashes, c.noticed_in_time); });
  add(
      "Refusals", [](WorldOptions& o) { o.revokes_per_million = 20'000; },
      [](const Counters& c) { return c.refusals; });
  add(
      "Everything",
      [](WorldOptions& o) {
        o.hosts = 4;
        o.link = {.stall_per_million = 2'000,
                  .cut_per_million = 2'000,
                  .partition_per_million = 1'000,
                  .cut_after_partition_per_million = 50'000,
                  .never_notices_per_million = 200'000,
                  .notices_on_use_per_million = 300'000};
        o.revokes_per_million = 5'000;
        o.crashes_per_million = 500;
      },
      [](const Counters& c) {
        return std::min({c.stalls, c.cuts, c.partitions, c.never_noticed, c.noticed_on_use, c.noticed_in_time,
                         c.refusals, c.crashes, c.late_puts});
      });
  return all;
}

class Faults : public testing::TestWithParam<Fault> {
 protected:
  static std::uint64_t first_seed() {
    const char* const given = std::getenv("ROSS_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : random_seed() % 1'000'000'000;
  }
};

TEST_P(Faults, HappenAndTheContractHolds) {
  const std::uint64_t first = first_seed();
  std::uint64_t happened = 0;
  const std::uint64_t last = first + (kAddressSanitizer ? 1 : 3);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    SCOPED_TRACE("ROSS_SEED=" + std::to_string(seed));
    WorldOptions options = GetParam().options;
    options.seed = seed;
    World world(options);
    world.run();
    if (HasFailure()) return;
    happened += GetParam().happened(world.network().counters());
    EXPECT_GT(world.told(), 500U);
    EXPECT_GT(world.checked(), 100'000U);
    EXPECT_GT(world.closed(), 2U);
  }
  EXPECT_GT(happened, 0U) << "in none of the seeds from " << first;
}

TEST_P(Faults, ReplayFromTheirSeed) {
  const std::uint64_t first = first_seed();
  const auto digest = [](std::uint64_t seed) {
    WorldOptions options = GetParam().options;
    options.seed = seed;
    options.steps = 1'500;
    World world(options);
    world.run();
    return std::pair(world.network().digest(), world.told());
  };
  EXPECT_EQ(digest(first), digest(first)) << "ROSS_SEED=" << first;
  EXPECT_NE(digest(first), digest(first + 1)) << "ROSS_SEED=" << first;
}

INSTANTIATE_TEST_SUITE_P(All, Faults, testing::ValuesIn(faults()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace ross::fabric::sim
