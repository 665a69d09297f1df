// Locks that wait: they get their turn, are interrupted, and never wait for each other for ever.
#include <atomic>
#include <optional>

#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

using fs::LockKind;
using fs::LockRange;

constexpr std::int64_t kPatienceNs = 30'000'000'000;  // a wait that takes longer is taken to hang

// A lock that was asked for, on its way.
class Waiting {
 public:
  Waiting(Driver& driver, fs::FileId file, const LockRange& range) : driver_(driver), range_(range) {
    driver_.loop().start(driver_.fs().lock(file, range_, true), [this](Status status) { done_ = std::move(status); });
  }
  ~Waiting() { result(); }
  Waiting(const Waiting&) = delete;
  // Whether it is granted or refused by now. False says little: perhaps it only was not told yet.
  bool done() {
    for (int i = 0; i < 100; ++i) driver_.loop().poll();
    return done_.has_value();
  }
  // Waits for it; minus one if it hangs.
  int result() {
    const std::int64_t deadline = driver_.loop().clock().monotonic_ns() + kPatienceNs;
    while (!done_ && driver_.loop().clock().monotonic_ns() < deadline) driver_.loop().wait(deadline);
    EXPECT_TRUE(done_.has_value()) << "a lock hangs";
    if (!done_) std::abort();  // its frame still points here
    return done_->error();
  }

 private:
  Driver& driver_;
  const LockRange range_;
  std::optional<Status> done_;
};

class LockWaits : public FileSystemTest {
 protected:
  void SetUp() override {
    FileSystemTest::SetUp();
    file = open(make_file("file"));
    other = open(make_file("other"));
  }
  static LockRange range(std::uint64_t owner, LockKind kind, std::uint64_t begin = 0, std::uint64_t end = UINT64_MAX) {
    return {.owner = owner, .kind = kind, .begin = begin, .end = end};
  }
  int take(fs::FileId of, const LockRange& wanted) { return error(fs().lock(of, wanted, false)); }
  fs::FileId file;
  fs::FileId other;
};
ROSS_ON_EVERY_BACKEND(LockWaits);

TEST_P(LockWaits, AreGrantedWhenTheWayIsFree) {
  ASSERT_EQ(take(file, range(1, LockKind::kExclusive, 0, 100)), 0);
  Waiting two(driver(), file, range(2, LockKind::kShared, 0, 10));
  Waiting three(driver(), file, range(3, LockKind::kShared, 50, 60));
  EXPECT_FALSE(two.done());
  EXPECT_EQ(take(file, range(1, LockKind::kUnlock, 0, 50)), 0);
  EXPECT_EQ(two.result(), 0);
  EXPECT_FALSE(three.done());
  EXPECT_EQ(take(file, range(1, LockKind::kShared, 50, 100)), 0);  // less exclusive is free enough
  EXPECT_EQ(three.result(), 0);
  EXPECT_EQ(take(file, range(4, LockKind::kExclusive, 55, 56)), EAGAIN);
}

TEST_P(LockWaits, NeedNotWaitWhenFree) {
  Waiting one(driver(), file, range(1, LockKind::kExclusive));
  EXPECT_EQ(one.result(), 0);
  Waiting again(driver(), file, range(1, LockKind::kShared));
  EXPECT_EQ(again.result(), 0);
}

TEST_P(LockWaits, AreInterrupted) {
  ASSERT_EQ(take(file, range(1, LockKind::kExclusive)), 0);
  Waiting two(driver(), file, range(2, LockKind::kExclusive));
  Waiting three(driver(), file, range(3, LockKind::kExclusive));
  EXPECT_FALSE(two.done());
  EXPECT_EQ(error(fs().unlock_owner(file, 2)), 0);
  EXPECT_EQ(two.result(), EINTR);
  EXPECT_FALSE(three.done());
  EXPECT_EQ(error(fs().unlock_owner(file, 1)), 0);
  EXPECT_EQ(three.result(), 0);
}

TEST_P(LockWaits, FlockWaitsToo) {
  LockRange flock = range(1, LockKind::kExclusive);
  flock.flock = true;
  ASSERT_EQ(take(file, flock), 0);
  LockRange wanted = flock;
  wanted.owner = 2;
  Waiting two(driver(), file, wanted);
  EXPECT_FALSE(two.done());
  flock.kind = LockKind::kUnlock;
  EXPECT_EQ(take(file, flock), 0);
  EXPECT_EQ(two.result(), 0);
}

TEST_P(LockWaits, TwoDoNotWaitForEachOther) {
  ASSERT_EQ(take(file, range(1, LockKind::kExclusive, 0, 10)), 0);
  ASSERT_EQ(take(file, range(2, LockKind::kExclusive, 10, 20)), 0);
  Waiting one(driver(), file, range(1, LockKind::kExclusive, 10, 20));
  EXPECT_FALSE(one.done());
  EXPECT_EQ(error(fs().lock(file, range(2, LockKind::kExclusive, 0, 10), true)), EDEADLK);
  EXPECT_FALSE(one.done());
  EXPECT_EQ(take(file, range(2, LockKind::kUnlock)), 0);  // who was refused gives way
  EXPECT_EQ(one.result(), 0);
}

TEST_P(LockWaits, NorThreeInARingAcrossFiles) {
  ASSERT_EQ(take(file, range(1, LockKind::kExclusive, 0, 10)), 0);
  ASSERT_EQ(take(file, range(2, LockKind::kExclusive, 10, 20)), 0);
  ASSERT_EQ(take(other, range(3, LockKind::kExclusive, 0, 10)), 0);
  Waiting one(driver(), file, range(1, LockKind::kExclusive, 10, 20));
  Waiting two(driver(), other, range(2, LockKind::kShared, 5, 6));
  EXPECT_FALSE(one.done());
  EXPECT_FALSE(two.done());
  EXPECT_EQ(error(fs().lock(file, range(3, LockKind::kShared, 0, 1), true)), EDEADLK);
  EXPECT_EQ(take(other, range(3, LockKind::kUnlock)), 0);
  EXPECT_EQ(two.result(), 0);
  EXPECT_EQ(take(file, range(2, LockKind::kUnlock)), 0);
  EXPECT_EQ(one.result(), 0);
}

TEST_P(LockWaits, TwoReadersBothWantingToWrite) {
  ASSERT_EQ(take(file, range(1, LockKind::kShared)), 0);
  ASSERT_EQ(take(file, range(2, LockKind::kShared)), 0);
  Waiting one(driver(), file, range(1, LockKind::kExclusive));
  EXPECT_FALSE(one.done());
  EXPECT_EQ(error(fs().lock(file, range(2, LockKind::kExclusive), true)), EDEADLK);
  EXPECT_EQ(take(file, range(2, LockKind::kUnlock)), 0);
  EXPECT_EQ(one.result(), 0);
}

TEST_P(LockWaits, AWaitIsNoDeadlock) {
  ASSERT_EQ(take(file, range(1, LockKind::kExclusive, 0, 10)), 0);
  Waiting two(driver(), file, range(2, LockKind::kExclusive, 0, 10));
  Waiting three(driver(), file, range(3, LockKind::kExclusive, 0, 10));
  EXPECT_EQ(take(file, range(1, LockKind::kExclusive, 20, 30)), 0);
  EXPECT_FALSE(two.done());
  EXPECT_FALSE(three.done());
  EXPECT_EQ(take(file, range(1, LockKind::kUnlock)), 0);
  // One of them has it; when it lets go the other follows.
  const std::int64_t deadline = clock.monotonic_ns() + kPatienceNs;
  while (!two.done() && !three.done()) ASSERT_LT(clock.monotonic_ns(), deadline);
  const bool two_first = two.done();
  const std::uint64_t first = two_first ? 2 : 3;
  EXPECT_EQ((two_first ? two : three).result(), 0);
  EXPECT_EQ(take(file, range(first, LockKind::kUnlock)), 0);
  EXPECT_EQ((two_first ? three : two).result(), 0);
}

TEST_P(LockWaits, KeepThreadsApart) {
  ROSS_NEEDS(threads);
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  // Guarded by the lock: an addition in two steps that loses counts when two threads are in it. Atomic for the thread sanitizer
  // alone, which cannot see through memory that client and server have mapped at different places.
  std::atomic<int> counter{0};
  std::atomic<int> failures{0};
  const fs::FileId shared = file;
  run_threads(kThreads, [&](Driver& driver, int index) {
    const std::uint64_t owner = 100 + static_cast<std::uint64_t>(index);
    for (int i = 0; i < kRounds; ++i) {
      if (driver.error(driver.fs().lock(shared, range(owner, LockKind::kExclusive), true)) != 0) ++failures;
      counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      if (driver.error(driver.fs().lock(shared, range(owner, LockKind::kUnlock), true)) != 0) ++failures;
    }
  });
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(counter, kThreads * kRounds);
}

}  // namespace
}  // namespace ross::conformance
