// Locks that do not wait: conflicts, splitting and merging, ranges against flock, who gives them back.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

using fs::LockKind;
using fs::LockRange;

class Locks : public FileSystemTest {
 protected:
  void SetUp() override {
    FileSystemTest::SetUp();
    file = open(make_file("file"));
  }
  int take(std::uint64_t owner, LockKind kind, std::uint64_t begin = 0, std::uint64_t end = UINT64_MAX) {
    return error(fs().lock(file, {.owner = owner, .kind = kind, .begin = begin, .end = end}, false));
  }
  // Who keeps owner from locking exclusively there: "owner:begin-end", or "".
  std::string in_the_way(std::uint64_t owner, std::uint64_t begin, std::uint64_t end,
                         LockKind kind = LockKind::kExclusive) {
    const auto found = run(fs().test_lock(file, {.owner = owner, .kind = kind, .begin = begin, .end = end}));
    if (!found) return "error " + std::to_string(found.error().error());
    if (found->kind == LockKind::kUnlock) return "";
    return std::to_string(found->owner) + ":" + std::to_string(found->begin) + "-" + std::to_string(found->end);
  }
  fs::FileId file;
};
ROSS_ON_EVERY_BACKEND(Locks);

TEST_P(Locks, SharedAndExclusive) {
  EXPECT_EQ(take(1, LockKind::kShared, 0, 10), 0);
  EXPECT_EQ(take(2, LockKind::kShared, 5, 15), 0);
  EXPECT_EQ(take(3, LockKind::kExclusive, 0, 1), EAGAIN);
  EXPECT_EQ(take(3, LockKind::kExclusive, 15, 20), 0);
  EXPECT_EQ(take(1, LockKind::kShared, 14, 16), EAGAIN);
  EXPECT_EQ(take(1, LockKind::kExclusive, 0, 5), 0);  // its own, changed
  EXPECT_EQ(take(1, LockKind::kExclusive, 0, 6), EAGAIN);
  EXPECT_EQ(take(2, LockKind::kShared, 4, 5), EAGAIN);
  EXPECT_EQ(take(1, LockKind::kShared, 0, 5), 0);
  EXPECT_EQ(take(2, LockKind::kShared, 4, 5), 0);
}

TEST_P(Locks, TellWhoIsInTheWay) {
  EXPECT_EQ(in_the_way(1, 0, UINT64_MAX), "");
  const LockRange range{.owner = 1, .kind = LockKind::kExclusive, .begin = 10, .end = 20, .pid = 42};
  ASSERT_EQ(error(fs().lock(file, range, false)), 0);
  EXPECT_EQ(take(2, LockKind::kShared, 30, 40), 0);
  EXPECT_EQ(in_the_way(3, 0, UINT64_MAX), "1:10-20");
  EXPECT_EQ(in_the_way(3, 20, UINT64_MAX), "2:30-40");
  EXPECT_EQ(in_the_way(3, 20, UINT64_MAX, LockKind::kShared), "");
  EXPECT_EQ(in_the_way(1, 0, 30), "");
  EXPECT_EQ(in_the_way(3, 20, 30), "");
  const auto found = run(fs().test_lock(file, {.owner = 3, .kind = LockKind::kShared})).value();
  EXPECT_EQ(found.pid, 42);
  EXPECT_EQ(found.kind, LockKind::kExclusive);
}

TEST_P(Locks, SplitAndMerge) {
  EXPECT_EQ(take(1, LockKind::kExclusive, 0, 100), 0);
  EXPECT_EQ(take(1, LockKind::kUnlock, 40, 60), 0);
  EXPECT_EQ(in_the_way(2, 0, 1000), "1:0-40");
  EXPECT_EQ(in_the_way(2, 40, 1000), "1:60-100");
  EXPECT_EQ(take(2, LockKind::kExclusive, 40, 60), 0);
  EXPECT_EQ(take(2, LockKind::kUnlock), 0);
  EXPECT_EQ(take(1, LockKind::kExclusive, 40, 60), 0);
  EXPECT_EQ(in_the_way(2, 50, 51), "1:0-100");
  EXPECT_EQ(take(1, LockKind::kShared, 20, 30), 0);
  EXPECT_EQ(in_the_way(2, 0, 1000), "1:0-20");
  EXPECT_EQ(in_the_way(2, 20, 25), "1:20-30");
  EXPECT_EQ(in_the_way(2, 20, 30, LockKind::kShared), "");
  EXPECT_EQ(in_the_way(2, 30, 1000), "1:30-100");
  EXPECT_EQ(take(1, LockKind::kUnlock), 0);
  EXPECT_EQ(in_the_way(2, 0, UINT64_MAX), "");
}

TEST_P(Locks, UnlockingNothingIsFine) {
  EXPECT_EQ(take(1, LockKind::kUnlock, 5, 10), 0);
  EXPECT_EQ(take(2, LockKind::kExclusive), 0);
  EXPECT_EQ(take(1, LockKind::kUnlock), 0);
  EXPECT_EQ(take(1, LockKind::kShared, 0, 1), EAGAIN);
}

TEST_P(Locks, ReachTheEndHoweverFar) {
  EXPECT_EQ(take(1, LockKind::kExclusive, 100), 0);
  EXPECT_EQ(take(2, LockKind::kExclusive, UINT64_MAX - 1, UINT64_MAX), EAGAIN);
  EXPECT_EQ(take(2, LockKind::kExclusive, 0, 100), 0);
}

TEST_P(Locks, Errors) {
  EXPECT_EQ(take(1, LockKind::kShared, 5, 5), EINVAL);
  EXPECT_EQ(take(1, LockKind::kShared, 5, 4), EINVAL);
  const fs::NodeId node = node_at("file");
  const fs::FileId reader = open(node, {.read = true});
  const fs::FileId writer = open(node, {.write = true});
  EXPECT_EQ(error(fs().lock(reader, {.owner = 1, .kind = LockKind::kExclusive}, false)), EBADF);
  EXPECT_EQ(error(fs().lock(writer, {.owner = 1, .kind = LockKind::kShared}, false)), EBADF);
  EXPECT_EQ(error(fs().lock(reader, {.owner = 1, .kind = LockKind::kExclusive, .flock = true}, false)), 0);
  EXPECT_EQ(error(fs().lock(reader, {.owner = 1, .kind = LockKind::kShared}, false)), 0);
}

TEST_P(Locks, FlockAndRangesDoNotMeet) {
  const LockRange flock{.owner = 1, .kind = LockKind::kExclusive, .flock = true};
  ASSERT_EQ(error(fs().lock(file, flock, false)), 0);
  EXPECT_EQ(take(2, LockKind::kExclusive), 0);
  LockRange other = flock;
  other.owner = 3;
  EXPECT_EQ(error(fs().lock(file, other, false)), EAGAIN);
  other.kind = LockKind::kShared;
  other.begin = 5;
  other.end = 6;  // flock is of the whole file, whatever the range
  EXPECT_EQ(error(fs().lock(file, other, false)), EAGAIN);
  LockRange shared = flock;
  shared.kind = LockKind::kShared;
  EXPECT_EQ(error(fs().lock(file, shared, false)), 0);
  EXPECT_EQ(error(fs().lock(file, other, false)), 0);
  EXPECT_EQ(error(fs().lock(file, flock, false)), EAGAIN);
}

TEST_P(Locks, AreOfTheFileNotOfTheOpening) {
  const fs::FileId second = open(node_at("file"));
  EXPECT_EQ(take(1, LockKind::kExclusive, 0, 10), 0);
  EXPECT_EQ(error(fs().lock(second, {.owner = 2, .kind = LockKind::kShared, .begin = 0, .end = 10}, false)), EAGAIN);
  EXPECT_EQ(error(fs().lock(second, {.owner = 1, .kind = LockKind::kUnlock, .begin = 0, .end = 10}, false)), 0);
  EXPECT_EQ(error(fs().lock(second, {.owner = 2, .kind = LockKind::kShared, .begin = 0, .end = 10}, false)), 0);
  const fs::FileId other = open(make_file("other"));
  EXPECT_EQ(error(fs().lock(other, {.owner = 3, .kind = LockKind::kExclusive}, false)), 0);
}

TEST_P(Locks, AnOwnersLocksAreDroppedTogether) {
  EXPECT_EQ(take(1, LockKind::kExclusive, 0, 10), 0);
  EXPECT_EQ(take(1, LockKind::kShared, 20, 30), 0);
  EXPECT_EQ(take(2, LockKind::kExclusive, 50, 60), 0);
  EXPECT_EQ(error(fs().unlock_owner(file, 1)), 0);
  EXPECT_EQ(in_the_way(3, 0, 50), "");
  EXPECT_EQ(in_the_way(3, 0, 100), "2:50-60");
  EXPECT_EQ(error(fs().unlock_owner(file, 99)), 0);
}

}  // namespace
}  // namespace ross::conformance
