// Goal: what a client asks for again is what it surely still has: a lock that it has begun to give back may be somebody else's. Method:
// requests are noted as a lane does, with and without their answers.
#include "client/holdings.h"

#include <gtest/gtest.h>

#include <map>

#include "client/call.h"

namespace ross::client {
namespace {

constexpr std::uint8_t kUnlock = 0;
constexpr std::uint8_t kShared = 1;
constexpr std::uint8_t kExclusive = 2;
constexpr std::uint64_t kOwner = 7;

class HoldingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Answer answer;
    answer.value = kFile;
    do_all({.op = wire::Op::kOpen, .container = 1, .node = 5}, answer);
  }
  static wire::Lock range(std::uint8_t kind, std::uint64_t begin, std::uint64_t end) {
    return {.owner = kOwner, .begin = begin, .end = end, .pid = 0, .kind = kind, .flock = 0, .reserved = {}};
  }
  static wire::Request lock(const wire::Lock& wanted) {
    return {.op = wire::Op::kLock, .container = 1, .file = kFile, .text = wire::as_text(wanted)};
  }
  void send(const wire::Request& request) { holdings.sent(*Holdings::note_of(request)); }
  void do_all(const wire::Request& request, const Answer& answer = {}) {
    send(request);
    ASSERT_TRUE(holdings.answered(0, *Holdings::note_of(request), answer));
  }
  // Kinds by their beginnings.
  std::map<std::uint64_t, std::uint8_t> locks() {
    std::map<std::uint64_t, std::uint8_t> all;
    const Holdings::List list = holdings.begin_generation(0);
    for (const wire::Lock& held : list.files.at(kFile).locks) all[held.begin] = held.kind;
    return all;
  }
  using Locks = std::map<std::uint64_t, std::uint8_t>;

  static constexpr std::uint64_t kFile = 3;
  Holdings holdings;
};

TEST_F(HoldingsTest, ALockCountsFromItsAnswerOn) {
  const wire::Lock wanted = range(kExclusive, 0, 10);
  send(lock(wanted));
  EXPECT_EQ(locks(), Locks());
  do_all(lock(wanted));
  EXPECT_EQ(locks(), (Locks{{0, kExclusive}}));
}

TEST_F(HoldingsTest, ALockIsGoneFromItsUnlockOn) {
  const wire::Lock wanted = range(kExclusive, 0, 10);
  do_all(lock(wanted));
  const wire::Lock given_back = range(kUnlock, 0, 4);
  send(lock(given_back));
  EXPECT_EQ(locks(), (Locks{{4, kExclusive}}));
  send({.op = wire::Op::kUnlockOwner, .container = 1, .file = kFile, .a = kOwner});
  EXPECT_EQ(locks(), Locks());
}

TEST_F(HoldingsTest, ALockIsNoStrongerThanWhatWasAskedForLast) {
  const wire::Lock wanted = range(kExclusive, 0, 10);
  do_all(lock(wanted));
  const wire::Lock weaker = range(kShared, 5, 20);
  send(lock(weaker));
  EXPECT_EQ(locks(), (Locks{{0, kExclusive}, {5, kShared}})) << "and nothing past 10";
  const wire::Lock stronger = range(kExclusive, 5, 10);
  send(lock(stronger));
  EXPECT_EQ(locks(), (Locks{{0, kExclusive}, {5, kShared}}));
}

TEST_F(HoldingsTest, AFileThatIsBeingClosedHasNoLocks) {
  const wire::Lock wanted = range(kExclusive, 0, 10);
  do_all(lock(wanted));
  EXPECT_FALSE(holdings.begin_generation(0).files.at(kFile).closing);
  send({.op = wire::Op::kClose, .container = 1, .file = kFile});
  EXPECT_EQ(locks(), Locks());
  EXPECT_TRUE(holdings.begin_generation(0).files.at(kFile).closing)
      << "it is still asked for: the close may not have come";
}

}  // namespace
}  // namespace ross::client
