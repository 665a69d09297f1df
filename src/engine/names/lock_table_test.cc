// Goal: locks conflict, cut and join as POSIX has them; the name cache never answers with what is not so. Method: cases by hand, then
// seeded random locks against a table of one cell per byte.
#include "engine/names/lock_table.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "engine/names/name_cache.h"

namespace ross::engine {
namespace {

using fs::LockKind;
using fs::LockRange;

LockRange range(std::uint64_t owner, LockKind kind, std::uint64_t begin, std::uint64_t end, bool flock = false) {
  LockRange lock;
  lock.owner = owner;
  lock.kind = kind;
  lock.begin = begin;
  lock.end = end;
  lock.flock = flock;
  return lock;
}

TEST(LockTableTest, FamiliesDoNotSeeEachOther) {
  LockTable table;
  EXPECT_FALSE(table.try_lock(range(1, LockKind::kExclusive, 0, UINT64_MAX)));
  EXPECT_FALSE(table.try_lock(range(2, LockKind::kExclusive, 0, UINT64_MAX, true)));
  EXPECT_TRUE(table.try_lock(range(3, LockKind::kShared, 5, 6, true)));
  EXPECT_TRUE(table.drop_owner(1));
  EXPECT_FALSE(table.drop_owner(1));
  EXPECT_FALSE(table.empty());
  EXPECT_TRUE(table.drop_owner(2));
  EXPECT_TRUE(table.empty());
}

TEST(LockTableTest, TheFirstInTheWayIsTold) {
  LockTable table;
  ASSERT_FALSE(table.try_lock(range(1, LockKind::kShared, 50, 60)));
  ASSERT_FALSE(table.try_lock(range(2, LockKind::kShared, 10, 20)));
  const auto held = table.conflict(range(3, LockKind::kExclusive, 0, 100));
  ASSERT_TRUE(held);
  EXPECT_EQ(held->owner, 2U);
  EXPECT_EQ(held->begin, 10U);
  EXPECT_FALSE(table.conflict(range(3, LockKind::kShared, 0, 100)));
  EXPECT_FALSE(table.conflict(range(3, LockKind::kUnlock, 0, 100)));
}

TEST(LockTableTest, RandomLocksAgreeWithACellPerByte) {
  constexpr std::uint64_t kBytes = 24;
  constexpr std::uint64_t kOwners = 3;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    std::uint64_t state = seed;
    const auto random = [&state](std::uint64_t below) {
      state = state * 6364136223846793005 + 1442695040888963407;
      return (state >> 33) % below;
    };
    LockTable table;
    std::array<std::array<LockKind, kBytes>, kOwners> cells{};
    for (int step = 0; step < 500; ++step) {
      const std::uint64_t owner = random(kOwners);
      if (random(20) == 0) {
        table.drop_owner(owner);
        cells[owner].fill(LockKind::kUnlock);
        continue;
      }
      const std::uint64_t begin = random(kBytes);
      const std::uint64_t end = begin + 1 + random(kBytes - begin);
      const auto kind = static_cast<LockKind>(random(3));
      bool blocked = false;
      for (std::uint64_t other = 0; other < kOwners; ++other) {
        for (std::uint64_t at = begin; at < end && other != owner; ++at) {
          const LockKind held = cells[other][at];
          blocked |= kind != LockKind::kUnlock && held != LockKind::kUnlock &&
                     (held == LockKind::kExclusive || kind == LockKind::kExclusive);
        }
      }
      ASSERT_EQ(table.try_lock(range(owner, kind, begin, end)).has_value(), blocked) << seed << " " << step;
      if (!blocked) std::fill(cells[owner].begin() + begin, cells[owner].begin() + end, kind);
      bool any = false;
      for (const auto& row : cells)
        any |= std::any_of(row.begin(), row.end(), [](LockKind k) { return k != LockKind::kUnlock; });
      ASSERT_EQ(table.empty(), !any);
    }
  }
}

TEST(NameCacheTest, AnswersAreAlwaysRight) {
  const format::NodeKey directory{format::ContainerId(1), fs::NodeId(1)};
  NameCache cache(64);
  std::map<std::string, std::uint64_t> model;
  std::uint64_t state = 5;
  const auto random = [&state](std::uint64_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % below;
  };
  int hits = 0;
  for (int step = 0; step < 50'000; ++step) {
    const std::uint64_t number = random(random(2) == 0 ? 10 : 300);
    const std::string name = "n" + std::to_string(number);
    const std::uint64_t hash = number / 2;  // every hash stands for two names
    switch (random(4)) {
      case 0:
        cache.put(directory, hash, name, {.node = fs::NodeId(static_cast<std::uint64_t>(step) + 1), .type = 0});
        model[name] = static_cast<std::uint64_t>(step) + 1;
        break;
      case 1:
        if (random(3) != 0) break;
        cache.erase(directory, hash);
        model.erase(name);
        break;
      default: {
        const auto found = cache.find(directory, hash, name);
        if (!found) break;
        ++hits;
        ASSERT_TRUE(model.contains(name)) << "a name that was erased";
        ASSERT_EQ(found->node.value, model[name]);
        ASSERT_FALSE(cache.find({directory.container, fs::NodeId(2)}, hash, name)) << "another directory's";
      }
    }
  }
  EXPECT_GT(hits, 1000);
}

}  // namespace
}  // namespace ross::engine
