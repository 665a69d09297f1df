// Goal: whatever a tenant's peer says, it neither gets nor changes a byte of another tenant's, however much of the other's it knows; and
// attempts land in the audit.
// Method: a server over an engine, tenant b with files, names, attributes and windows of a secret pattern, and a seeded generator
// (hostile.h) that speaks as tenant a and knows b's names, numbers, keys and tokens: old, spoiled and, as another user, valid. After every
// step b's files are what they were and its memory is untouched, and nothing that a was ever sent has the pattern. By default a few seeds;
// ROSS_SEED replays one, ROSS_SECONDS goes on with new ones for so long.
#include <gtest/gtest.h>

#include <cstdlib>

#include "attack_world.h"
#include "base/sanitizer.h"
#include "engine/pool_fixture.h"

namespace ross::server {
namespace {

TEST(Attack, NothingOfAnotherTenantsIsReached) {
  const engine::TestDirectory directory;
  constexpr std::uint64_t kPoolBytes = 128ULL << 20;
  const engine::DeviceSpec device{.kind = engine::DeviceKind::kRam, .size_bytes = kPoolBytes};
  ASSERT_TRUE(engine::Pool::create(directory / "pool", {.devices = {device}}).ok());
  const auto pool = *engine::Pool::open(directory / "pool", engine::PoolOptions{});
  const char* const given = std::getenv("ROSS_SEED");
  const char* const seconds = std::getenv("ROSS_SECONDS");
  const std::int64_t until_ns =
      system_clock().monotonic_ns() + (seconds == nullptr ? 0 : std::atoll(seconds) * 1'000'000'000);
  constexpr int kSeeds = kThreadSanitizer ? 12 : 32;
  constexpr int kSteps = 400;
  const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : random_seed() % 1'000'000'000;
  const std::uint64_t least = given != nullptr ? 1 : kSeeds;
  std::uint64_t done = 0;
  for (; done < least || (given == nullptr && system_clock().monotonic_ns() < until_ns); ++done) {
    const std::string replay = "replay with ROSS_SEED=" + std::to_string(first + done);
    SCOPED_TRACE(replay);
    AttackWorld world(*pool, directory.path(), first + done);
    world.attempt_each();
    for (int i = 0; i < kSteps && !::testing::Test::HasFailure(); ++i) {
      world.step();
      world.check_victim(i % 64 == 63);
    }
    if (!::testing::Test::HasFailure()) world.check_audit();
    if (done == 0) std::fprintf(stderr, "the first seed: %s\n", world.told().c_str());
    if (::testing::Test::HasFailure()) {
      std::fprintf(stderr, "%s\n", replay.c_str());
      break;
    }
  }
  std::fprintf(stderr, "seeds %llu to %llu, %d steps each\n", static_cast<unsigned long long>(first),
               static_cast<unsigned long long>(first + done - 1), kSteps);
  EXPECT_TRUE(pool->close().ok());
}

}  // namespace
}  // namespace ross::server
