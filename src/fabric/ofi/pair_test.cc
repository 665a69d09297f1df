// Goal: one end at a time has the turn; who sleeps is rung for work and sees work that came before; a closed end is out for good, and
// the other knows when; a process that dies in its turn takes the turn along, and that is told.
// Method: both ends in this process, on threads where they race; and a child that is killed in its turn.
#include "fabric/ofi/pair.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/clock.h"

namespace ross::fabric::ofi {
namespace {

bool readable(int fd, int patience_ms = 0) {
  pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, patience_ms) > 0;
}

class PairTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    auto page = *shm::SharedMemory::create(PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
    auto again = *shm::SharedMemory::adopt(shm::Descriptor(::fcntl(page.fd(), F_DUPFD_CLOEXEC, 0)),
                                           {.size_bytes = PairPage::kBytes, .writable = true});
    const auto make = [&](unsigned end, shm::SharedMemory memory) {
      return std::make_unique<Pair>(Pair::Parts{.end = end,
                                                .socket = Socket(fds[end]),
                                                .page = std::move(memory),
                                                .peer = {},
                                                .own_name = "own",
                                                .peer_name = "peer"});
    };
    left = make(0, std::move(page));
    right = make(1, std::move(again));
  }
  std::unique_ptr<Pair> left;
  std::unique_ptr<Pair> right;
};

TEST_F(PairTest, OneHasTheTurnAsOftenAsItEnters) {
  ASSERT_TRUE(left->enter());
  EXPECT_FALSE(right->enter());
  {
    const Turn again(left.get());
    EXPECT_TRUE(again);
    EXPECT_FALSE(Turn(right.get()));
  }
  EXPECT_FALSE(right->enter());
  left->leave();
  {
    const Turn theirs(right.get());
    EXPECT_TRUE(theirs);
    EXPECT_FALSE(left->enter());
  }
  EXPECT_TRUE(left->enter());
  left->leave();
  EXPECT_TRUE(Turn(nullptr));  // where there is no pair it is always ours
}

TEST_F(PairTest, TurnsExcludeEachOther) {
  constexpr int kTurns = 20'000;
  // Added to in two steps, which the turn makes one. Atomic for the thread sanitizer, which takes the two mappings of the page for
  // different memory.
  std::atomic<int> count = 0;
  const auto body = [&](Pair& pair) {
    for (int done = 0; done < kTurns;) {
      if (const Turn turn(&pair); turn) {
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        ++done;
      } else {
        std::this_thread::yield();
      }
    }
  };
  {
    std::jthread one([&] { body(*left); });
    std::jthread two([&] { body(*right); });
  }
  EXPECT_EQ(count, 2 * kTurns);
}

TEST_F(PairTest, WhoSleepsIsRungOnceAndOnlyForWork) {
  ASSERT_TRUE(right->fall_asleep());
  { const Turn turn(left.get()); }
  EXPECT_FALSE(readable(right->fd()));
  for (int i = 0; i < 2; ++i) {
    const Turn turn(left.get());
    left->did();
  }
  EXPECT_TRUE(readable(right->fd()));
  right->wake_up();
  right->look();
  EXPECT_FALSE(right->gone());
  EXPECT_FALSE(readable(right->fd()));
  // What was left before is seen, and nobody rings for it.
  EXPECT_FALSE(right->fall_asleep());
  ASSERT_TRUE(right->enter());
  right->take_work();
  right->leave();
  EXPECT_TRUE(right->fall_asleep());
}

TEST_F(PairTest, NoWakeUpIsLost) {
  constexpr int kRounds = 2000;
  std::jthread sleeper([&] {
    for (int got = 0; got < kRounds;) {
      if (right->fall_asleep()) {
        ASSERT_TRUE(readable(right->fd(), 20'000)) << "round " << got;
      }
      right->wake_up();
      right->look();
      const Turn turn(right.get());
      if (!turn || !right->has_work()) continue;
      right->take_work();
      ++got;
      right->did();
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    bool told = false;
    while (!told) {
      const Turn turn(left.get());
      if (turn) left->did();
      told = static_cast<bool>(turn);
    }
    const std::int64_t until = system_clock().monotonic_ns() + 20'000'000'000;
    while (!left->has_work() && system_clock().monotonic_ns() < until) std::this_thread::yield();
    const Turn turn(left.get(), 20'000'000'000);
    ASSERT_TRUE(turn && left->has_work()) << "round " << round;
    left->take_work();
  }
}

TEST_F(PairTest, AClosedEndIsOutAndTheOtherKnowsWhen) {
  ASSERT_TRUE(right->enter());
  left->close();
  EXPECT_TRUE(left->over());
  EXPECT_FALSE(left->enter());
  EXPECT_FALSE(left->quiet());  // the other one is still inside
  EXPECT_TRUE(readable(right->fd()));
  right->leave();
  EXPECT_TRUE(left->quiet());
  EXPECT_FALSE(right->over());
  EXPECT_FALSE(right->enter());
  EXPECT_TRUE(right->over() && right->quiet());
  EXPECT_TRUE(left->quiet());
}

TEST_F(PairTest, ClosingInATurnIsQuietAfterIt) {
  ASSERT_TRUE(left->enter());
  left->close();
  EXPECT_FALSE(left->quiet());
  left->leave();
  right->look();
  EXPECT_TRUE(right->over());
  EXPECT_TRUE(left->quiet());
  EXPECT_TRUE(right->quiet());
}

TEST_F(PairTest, LastWordsAreHeardOrWithoutAHearer) {
  EXPECT_FALSE(left->was_heard());
  right->say_heard();
  EXPECT_TRUE(left->was_heard());
  EXPECT_FALSE(right->was_heard());
  left->close();
  EXPECT_TRUE(right->was_heard());
}

TEST(PairOfProcesses, WhoDiesInItsTurnIsGoneAndTheOtherGoesOn) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  auto page = *shm::SharedMemory::create(PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
  const int memory = page.fd();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(fds[0]);
    Pair pair(
        {.end = 1,
         .socket = Socket(fds[1]),
         .page = *shm::SharedMemory::adopt(shm::Descriptor(memory), {.size_bytes = PairPage::kBytes, .writable = true}),
         .peer = {},
         .own_name = {},
         .peer_name = {}});
    if (!pair.enter()) ::_exit(1);
    const char inside = 1;
    if (::write(fds[1], &inside, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  ::close(fds[1]);
  Pair pair({.end = 0, .socket = Socket(fds[0]), .page = std::move(page), .peer = {}, .own_name = {}, .peer_name = {}});
  ASSERT_TRUE(readable(pair.fd(), 20'000));
  pair.look();
  EXPECT_FALSE(pair.enter());
  EXPECT_FALSE(pair.over());
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  pair.look();
  EXPECT_TRUE(pair.gone() && pair.over() && pair.quiet());
  EXPECT_FALSE(pair.enter());
}

}  // namespace
}  // namespace ross::fabric::ofi
