// Goal: fcntl's rules of splitting and merging, checked byte by byte.
// Method: seeded random locks next to a table that keeps one owner per byte.
#include "model/lock_table.h"

#include <gtest/gtest.h>

#include <array>

#include "base/random.h"

namespace ross::model {
namespace {

using fs::LockKind;
using fs::LockRange;

LockRange range(std::uint64_t owner, LockKind kind, std::uint64_t begin, std::uint64_t end) {
  return {.owner = owner, .kind = kind, .begin = begin, .end = end};
}

TEST(LockTable, IsATableOfBytes) {
  constexpr std::size_t kBytes = 24;
  constexpr std::size_t kOwners = 3;
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    LockTable table;
    std::array<std::array<LockKind, kBytes>, kOwners> held{};
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t begin = random.below(kBytes);
      const std::uint64_t end = begin + 1 + random.below(kBytes - begin);
      const std::uint64_t owner = random.below(kOwners);
      const auto kind = static_cast<LockKind>(random.below(3));
      bool free = true;
      for (std::uint64_t byte = begin; byte < end; ++byte) {
        for (std::uint64_t other = 0; other < kOwners; ++other) {
          if (other == owner || kind == LockKind::kUnlock) continue;
          const LockKind theirs = held[other][byte];
          const bool excludes = kind == LockKind::kExclusive || theirs == LockKind::kExclusive;
          if (theirs != LockKind::kUnlock && excludes) free = false;
        }
      }
      const LockRange wanted = range(owner, kind, begin, end);
      ASSERT_EQ(table.conflicts(wanted).empty(), free) << "round " << round << " lock " << i;
      if (!free) continue;
      table.set(wanted);
      for (std::uint64_t byte = begin; byte < end; ++byte) held[owner][byte] = kind;
    }
  }
}

TEST(LockTable, AdjacentLocksOfOneKindAreOne) {
  LockTable table;
  table.set(range(1, LockKind::kExclusive, 0, 10));
  table.set(range(1, LockKind::kExclusive, 10, 20));
  const auto in_the_way = table.conflicts(range(2, LockKind::kShared, 0, 100));
  ASSERT_EQ(in_the_way.size(), 1U);
  EXPECT_EQ(in_the_way[0].begin, 0U);
  EXPECT_EQ(in_the_way[0].end, 20U);
}

TEST(LockTable, FlockAndRangesDoNotSeeEachOther) {
  LockTable table;
  LockRange flock = range(1, LockKind::kExclusive, 0, UINT64_MAX);
  flock.flock = true;
  table.set(flock);
  EXPECT_TRUE(table.conflicts(range(2, LockKind::kExclusive, 0, 10)).empty());
  table.drop_owner(1);
  EXPECT_TRUE(table.empty());
}

}  // namespace
}  // namespace ross::model
