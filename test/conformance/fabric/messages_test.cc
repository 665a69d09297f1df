// Goal: messages arrive whole, in the order they were sent, where the receiver wants them; each is told once to who sent it.
// Method: every size that is somebody's boundary, payloads in pieces on both sides, and far more at once than any queue below
// holds.
#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

ROSS_FABRIC_SUITE(Messages);

TEST_P(Messages, HeadsAndPayloadsOfEverySizeArriveWhole) {
  auto [left, right] = connect_pair();
  std::uint64_t number = 0;
  for (const std::size_t head :
       {0UL, 1UL, 7UL, 8UL, 9UL, 63UL, 64UL, 65UL, 1000UL, kLimits.head_bytes_max - 1, kLimits.head_bytes_max}) {
    for (const std::size_t payload : {0UL, 1UL, 2UL, 63UL, 64UL, 65UL, 4095UL, 4096UL, 4097UL, 65'535UL, 65'536UL,
                                      262'143UL, 262'145UL, kLimits.payload_bytes_max - 1, kLimits.payload_bytes_max}) {
      ++number;
      Letter& sent = letter(pattern(number, head), pattern(~number, payload));
      send_and_wait(*left, *right, sent);
      ASSERT_EQ(right->received.size(), 1U);
      ASSERT_EQ(right->received[0].head, sent.head) << head << " and " << payload;
      ASSERT_EQ(right->received[0].payload(), sent.storage) << head << " and " << payload;
      right->received.clear();
    }
  }
}

TEST_P(Messages, PayloadsLeaveAndLandInPieces) {
  auto [left, right] = connect_pair();
  for (const std::size_t out : {1UL, 2UL, 3UL, 17UL, 50UL, 300UL}) {
    for (const std::size_t in : {1UL, 2UL, 5UL, 50UL, 300UL}) {
      for (const std::size_t size : {0UL, 1UL, 300UL, 5000UL, 700'001UL}) {
        right->pieces = in;
        Letter& sent = letter(bytes("pieces"), pattern(size + in, size), out);
        send_and_wait(*left, *right, sent);
        ASSERT_EQ(right->received.back().payload(), sent.storage) << size << " out " << out << " in " << in;
        right->received.clear();
      }
    }
  }
}

TEST_P(Messages, TenThousandBothWaysInOrder) {
  constexpr std::size_t kCount = 10'000;
  auto [left, right] = connect_pair();
  End* const ends[] = {left, right};
  for (std::uint64_t i = 0; i < kCount; ++i) {
    for (std::uint64_t who = 0; who < 2; ++who) {
      ends[who]->send(letter(pattern(2 * i + who, 16 + i % 50), pattern(2 * i + who, i % 4 == 0 ? i % 700 : 0)));
    }
  }
  drive([&] {
    return left->messages == kCount && right->messages == kCount && left->outstanding == 0 && right->outstanding == 0;
  });
  for (std::uint64_t who = 0; who < 2; ++who) {
    End& end = *ends[1 - who];
    ASSERT_EQ(end.received.size(), kCount);
    for (std::uint64_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(end.received[i].head.size(), 16 + i % 50) << i;
      ASSERT_EQ(differs_at(2 * i + who, end.received[i].head), -1) << i;
      ASSERT_EQ(end.received[i].payload(), pattern(2 * i + who, i % 4 == 0 ? i % 700 : 0)) << i;
    }
  }
}

TEST_P(Messages, LargeOnesPassEachOther) {
  // Both sides send more than fits anywhere before either has received: neither may wait for the other.
  constexpr std::uint64_t kCount = 48;
  auto [left, right] = connect_pair();
  for (std::uint64_t i = 0; i < kCount; ++i) {
    left->send(letter(pattern(i, 100), pattern(i, kLargeBytes)));
    right->send(letter(pattern(i, 100), pattern(i, kLargeBytes)));
  }
  drive([&] {
    return left->messages == kCount && right->messages == kCount && left->outstanding + right->outstanding == 0;
  });
  for (End* const end : {left, right}) {
    for (std::uint64_t i = 0; i < kCount; ++i) ASSERT_EQ(differs_at(i, end->received[i].pieces[0]), -1) << i;
  }
}

TEST_P(Messages, EachIsToldOnceAndLater) {
  // That none is told inside send(), twice or on another loop every test checks (harness.cc); here that all are told, true,
  // without a byte from the other side, and that their order is kept.
  auto [left, right] = connect_pair();
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    Letter& sent = letter(bytes("x"), pattern(1, static_cast<std::size_t>(i) * 100));
    sent.then = [&order, i] { order.push_back(i); };
    left->send(sent);
  }
  EXPECT_TRUE(order.empty());
  drive([&] { return order.size() == 100 && right->messages == 100; });
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(Messages, AnswersAreSentInsideTheCalls) {
  constexpr std::size_t kRounds = 2000;
  auto [left, right] = connect_pair();
  right->on_each = [&, end = right](End::Received& got) { end->send(letter(got.head, got.payload())); };
  left->on_each = [&, end = left](End::Received& got) {
    if (end->messages < kRounds) end->send(letter(got.head, got.payload()));
  };
  left->send(letter(pattern(5, 40), pattern(6, 3000)));
  drive([&] { return left->messages == kRounds && left->outstanding + right->outstanding == 0; });
  EXPECT_EQ(differs_at(5, left->received.back().head), -1);
  EXPECT_EQ(differs_at(6, left->received.back().pieces[0]), -1);
}

TEST_P(Messages, AMessageIsSentAgainInsideItsSent) {
  // sent() gives the message back: the same object may go out again at once.
  auto [left, right] = connect_pair();
  Letter& again = letter(bytes("again"), pattern(3, 500));
  int rounds = 0;
  again.then = [&, end = left] {
    again.told = 0;
    if (++rounds < 100)
      end->send(again);
    else
      again.told = 1;
  };
  left->send(again);
  drive([&] { return right->messages == 100 && rounds == 100; });
  for (const auto& got : right->received) ASSERT_EQ(differs_at(3, got.pieces[0]), -1);
}

TEST_P(Messages, BeyondThePeersLimitsEndsTheChannel) {
  Side& wide = add_side(0);
  Side& narrow = add_side(1, {.limits = {.head_bytes_max = 128, .payload_bytes_max = 8192}});
  Pair good = connect_pair(wide, narrow);
  for (const bool long_head : {true, false}) {
    Pair pair = connect_pair(wide, narrow);
    send_and_wait(*pair.left, *pair.right, letter(pattern(1, 128), pattern(1, 8192)));  // the most it takes
    // The peer may grant more than it was asked for, in room; it may not show such a message.
    pair.left->send(long_head ? letter(pattern(1, 129)) : letter(bytes("x"), pattern(1, 8193)));
    expect_ended(pair);
    EXPECT_EQ(pair.right->messages, 1U);
  }
  send_and_wait(*good.left, *good.right, letter(bytes("still here")));
}

}  // namespace
}  // namespace ross::fabric::conformance
