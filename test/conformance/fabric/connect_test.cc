// Goal: connecting ends in a channel or in one clear error, in time; what comes before start() waits; and one endpoint
// carries many channels that do not disturb each other.
// Method: addresses where somebody, nobody, something mute and nothing that could be is; channels left unstarted and
// destroyed so.
#include <algorithm>

#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

ROSS_FABRIC_SUITE(Connect);

TEST_P(Connect, BothSidesLearnOfIt) {
  Side& server = add_side(0);
  Side& client = add_side(1, {.listens = false});
  EXPECT_FALSE(server.endpoint->address().empty());
  EXPECT_LE(server.endpoint->address().size(), kAddressBytesMax);
  EXPECT_TRUE(client.endpoint->address().empty());
  // Without a message sent, the acceptor hears of it.
  Pair pair = connect_pair(client, server);
  send_and_wait(*pair.left, *pair.right, letter(bytes("there")));
  send_and_wait(*pair.right, *pair.left, letter(bytes("and back")));
  if (traits().same_machine_only) {
    EXPECT_EQ(pair.right->channel->peer().pid, ::getpid());
  }
}

TEST_P(Connect, WhoDoesNotListenIsReachedThroughItsWindows) {
  Side& server = add_side(0);
  Side& client = add_side(1, {.listens = false});
  Pair pair = connect_pair(client, server);
  Guarded& target = memory(5000, 1);
  Guarded& from = memory(5000, 2);
  const Window window = expose(client, target.span(), Access::kWrite, nullptr, pair.left->channel.get());
  ASSERT_EQ(put_and_wait(*pair.right, move(from.memory(0, 5000), window)), 0);
  send_and_wait(*pair.right, *pair.left, letter(bytes("look")));
  EXPECT_TRUE(same(target.span(), from.span()));
}

TEST_P(Connect, NobodyThereIsToldBeforeTheDeadline) {
  Side& side = add_side(0);
  constexpr std::int64_t kDeadlineNs = 20'000'000'000;
  const std::int64_t begin = side.loop->clock().monotonic_ns();
  const auto channel = connect_to(side, fixture().nobody_address(), kDeadlineNs);
  ASSERT_FALSE(channel.has_value());
  EXPECT_NE(channel.error().error(), ETIMEDOUT) << channel.error().message();
  EXPECT_LT(side.loop->clock().monotonic_ns() - begin, kDeadlineNs);
}

TEST_P(Connect, AListenerThatHasGoneIsNobody) {
  Side& server = add_side(0);
  Side& client = add_side(1);
  Pair pair = connect_pair(client, server);
  const std::string address = server.endpoint->address();
  pair.right->close();
  expect_ended(pair);
  remove_side(server);
  const auto channel = connect_to(client, address, 20'000'000'000);
  ASSERT_FALSE(channel.has_value());
  EXPECT_NE(channel.error().error(), ETIMEDOUT) << channel.error().message();
}

TEST_P(Connect, SomethingMuteTimesOut) {
  const std::string address = fixture().silent_address();
  if (address.empty()) GTEST_SKIP() << backend().name << " has nothing mute to connect to";
  Side& side = add_side(0);
  constexpr std::int64_t kDeadlineNs = 150'000'000;
  const std::int64_t begin = side.loop->clock().monotonic_ns();
  const auto channel = connect_to(side, address, kDeadlineNs);
  const std::int64_t took = side.loop->clock().monotonic_ns() - begin;
  ASSERT_FALSE(channel.has_value());
  EXPECT_EQ(channel.error().error(), ETIMEDOUT) << channel.error().message();
  EXPECT_GE(took, kDeadlineNs);
  EXPECT_LT(took, kDeadlineNs + 5'000'000'000);
}

TEST_P(Connect, AddressesThatCannotBeAreRefused) {
  Side& side = add_side(0);
  Side& other = add_side(1);
  Random random(seed());
  std::vector<std::string> addresses{"",
                                     " ",
                                     "x",
                                     ":",
                                     "/",
                                     "0",
                                     std::string(1, '\0'),
                                     std::string(kAddressBytesMax, 'a'),
                                     std::string(kAddressBytesMax + 1, 'a'),
                                     std::string(100'000, '1'),
                                     other.endpoint->address() + std::string(kAddressBytesMax, 'x')};
  for (int i = 0; i < 20; ++i) {
    std::string address(1 + random.below(300), '\0');
    for (char& byte : address) byte = static_cast<char>(random());
    addresses.push_back(std::move(address));
  }
  for (const std::string& address : addresses) {
    const auto channel = connect_to(side, address, 2'000'000'000);
    EXPECT_FALSE(channel.has_value()) << address.size() << " bytes";
  }
  Pair pair = connect_pair(side, other);
  send_and_wait(*pair.left, *pair.right, letter(bytes("still here")));
}

TEST_P(Connect, PlacesTakenAndPlacesThatCannotBeAreNotListenedAt) {
  Side& side = add_side(0);
  Side& other = add_side(1);
  for (const std::string& listen : {side.endpoint->address(), std::string("\x01?"), std::string(5000, 'z')}) {
    const auto opened = other.domain->open(*other.loop, {.limits = kLimits, .listen = listen, .acceptor = &other});
    EXPECT_FALSE(opened.has_value()) << listen.substr(0, 100);
  }
  connect_pair(other, side);  // which is as it was
}

TEST_P(Connect, BeforeStartMessagesWait) {
  Side& server = add_side(0);
  Side& client = add_side(1);
  Pair pair = connect_pair(client, server, false);
  pair.left->start();
  constexpr std::size_t kCount = 200;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    pair.left->send(letter(pattern(i, 30), pattern(i, i % 10 == 0 ? kLimits.payload_bytes_max : 100)));
  }
  settle();
  EXPECT_EQ(pair.right->messages, 0U);
  pair.right->start();
  drive([&] { return pair.right->messages == kCount && pair.left->outstanding == 0; });
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(differs_at(i, pair.right->received[i].head), -1);
    ASSERT_EQ(differs_at(i, pair.right->received[i].pieces[0]), -1);
  }
  send_and_wait(*pair.right, *pair.left, letter(bytes("answer")));
}

TEST_P(Connect, DestroyedBeforeStartEndsTheOtherSide) {
  Side& server = add_side(0);
  Side& client = add_side(1);
  for (const bool by_acceptor : {true, false}) {
    for (const bool with_message : {false, true}) {
      Pair pair = connect_pair(client, server, false);
      End& stays = by_acceptor ? *pair.left : *pair.right;
      End& goes = by_acceptor ? *pair.right : *pair.left;
      stays.start();
      if (with_message) stays.send(letter(bytes("wasted"), pattern(1, 100'000)));
      goes.channel.reset();
      drive([&] { return stays.closed == 1; });
    }
  }
  // In the acceptor's very call, too.
  server.on_accept = [](std::unique_ptr<Channel> channel) { channel.reset(); };
  auto channel = connect_to(client, server.endpoint->address());
  if (channel.has_value()) {  // else it learned so at once
    End& end = adopt(client, *std::move(channel));
    drive([&] { return end.closed == 1; });
  }
  server.on_accept = nullptr;
  Pair pair = connect_pair(client, server);
  send_and_wait(*pair.left, *pair.right, letter(bytes("still here")));
}

TEST_P(Connect, FiftyChannelsTalkAtOnce) {
  constexpr std::size_t kCount = 50;
  constexpr std::size_t kRounds = 20;
  Side& server = add_side(0);
  Side& client = add_side(1);
  std::vector<Pair> pairs;
  std::vector<Guarded*> targets;
  Guarded& from = memory(30'000, 3);
  for (std::size_t i = 0; i < kCount; ++i) {
    pairs.push_back(connect_pair(client, server));
    targets.push_back(&memory(30'000, 4));
    const Window window = expose(server, targets[i]->span(), Access::kWrite, nullptr, pairs[i].right->channel.get());
    pairs[i].left->put(move(from.memory(0, 30'000), window));
    for (std::size_t round = 0; round < kRounds; ++round) {
      pairs[i].left->send(letter(pattern(i * kRounds + round, 20), pattern(i, round * 100)));
      pairs[i].right->send(letter(pattern(i * kRounds + round, 30), pattern(i, round * 50)));
    }
  }
  drive([&] {
    return std::ranges::all_of(pairs, [](const Pair& pair) {
      return pair.left->messages == kRounds && pair.right->messages == kRounds &&
             pair.left->outstanding + pair.right->outstanding == 0;
    });
  });
  for (std::size_t i = 0; i < kCount; ++i) {
    for (std::size_t round = 0; round < kRounds; ++round) {
      ASSERT_EQ(differs_at(i * kRounds + round, pairs[i].left->received[round].head), -1);
      ASSERT_EQ(differs_at(i * kRounds + round, pairs[i].right->received[round].head), -1);
      ASSERT_EQ(pairs[i].right->received[round].payload(), pattern(i, round * 100));
    }
    EXPECT_TRUE(same(targets[i]->span(), from.span()));
  }
  // Every other one ends; the rest goes on.
  for (std::size_t i = 0; i < kCount; i += 2) pairs[i].left->close();
  for (std::size_t i = 0; i < kCount; i += 2) expect_ended(pairs[i]);
  for (std::size_t i = 1; i < kCount; i += 2) send_and_wait(*pairs[i].right, *pairs[i].left, letter(bytes("on")));
}

TEST_P(Connect, TwoEndpointsOfOneLoop) {
  Side& one = add_side(0);
  Side& two = add_side(1, {.on_loop_of = &one});
  Pair there = connect_pair(one, two);
  Pair back = connect_pair(two, one);
  for (Pair* const pair : {&there, &back}) {
    send_and_wait(*pair->left, *pair->right, letter(bytes("x"), pattern(5, kLimits.payload_bytes_max)));
    EXPECT_EQ(differs_at(5, pair->right->received[0].pieces[0]), -1);
  }
  Guarded& owned = memory(100'000, 6);
  Guarded& got = memory(100'000, 7);
  const Window window = expose(two, owned.span(), Access::kRead);
  ASSERT_EQ(get_and_wait(*there.left, move(got.memory(0, 100'000), window)), 0);
  EXPECT_TRUE(same(got.span(), owned.span()));
}

}  // namespace
}  // namespace ross::fabric::conformance
