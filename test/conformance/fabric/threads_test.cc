// Goal: endpoints of one domain live on threads of their own and talk at once; revoke() holds against a transfer that another
// thread has under way.
// Method: two threads, each with its own loop, endpoint and channels, that share nothing but the domain and a few atomics;
// the thread sanitizer looks on.
#include <algorithm>
#include <atomic>
#include <thread>

#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

ROSS_FABRIC_SUITE(Threads);

// What one thread has: its side, the channel it made and the one it accepted.
struct Party {
  std::unique_ptr<Side> side;
  std::deque<std::unique_ptr<End>> ends;
  std::deque<Letter> letters;
  std::deque<Move> moves;

  End& adopt(std::unique_ptr<Channel> channel) {
    ends.push_back(std::make_unique<End>(*side));
    ends.back()->channel = std::move(channel);
    return *ends.back();
  }
  bool drive(const std::function<bool()>& done) { return drive_alone(*side, done); }
  bool told() {
    return std::ranges::all_of(ends, [](const auto& end) { return end->outstanding == 0; });
  }
  bool closed() {
    return std::ranges::all_of(ends, [](const auto& end) { return end->closed == 1; });
  }
};

TEST_P(Threads, TwoEndpointsOfOneDomainTalkAtOnce) {
  ROSS_NEEDS_BACKEND(threads);
  constexpr std::size_t kRounds = 1500;
  constexpr std::size_t kSlotBytes = 2000;
  constexpr std::size_t kSlots = 16;
  Party parties[2];
  std::string addresses[2];
  for (int i = 0; i < 2; ++i) {
    auto side = make_side(fixture(), 0);
    ASSERT_TRUE(side.has_value()) << side.error().message();
    parties[i].side = *std::move(side);
    addresses[i] = parties[i].side->endpoint->address();
  }
  std::atomic<int> ready{0};
  std::atomic<int> finished{0};
  const auto body = [&](int self) {
    Party& party = parties[self];
    auto channel = connect_from(*party.side, addresses[1 - self], kPatienceNs / 2,
                                [&](const std::function<bool()>& done) { return party.drive(done); });
    ASSERT_TRUE(channel.has_value()) << channel.error().message();
    ASSERT_TRUE(party.drive([&] { return !party.side->accepted.empty(); }));
    End& out = party.adopt(*std::move(channel));
    End& in = party.adopt(std::move(party.side->accepted.front()));
    out.keep = in.keep = false;
    // The other side puts into this window, over the channel it made; the first message on in says where.
    Guarded shown(kSlots * kSlotBytes, 1);
    auto region = party.side->domain->add_region(shown.all());
    ASSERT_TRUE(region.has_value());
    auto window = party.side->endpoint->expose(
        {.memory = shown.span(), .access = Access::kWrite, .region = region->get(), .only_for = in.channel.get()});
    ASSERT_TRUE(window.has_value());
    std::size_t wrong = 0;
    in.on_each = [&](End::Received& got) {
      const std::size_t round = in.messages - 1;
      const std::size_t at = round % kSlots * kSlotBytes;
      if (differs_at(round, shown.span().subspan(at, kSlotBytes)) != -1) ++wrong;
      if (!same(got.payload(), pattern(round, round % 7 * 300))) ++wrong;
      in.send(party.letters.emplace_back(got.head));  // the slot is free again
    };
    Window theirs;
    out.on_each = [&](End::Received& got) {
      if (out.messages == 1) theirs = window_of(got.head);
    };
    out.start();
    in.start();
    in.send(party.letters.emplace_back(told_window(*window)));
    ASSERT_TRUE(party.drive([&] { return out.messages >= 1; }));
    ++ready;
    ASSERT_TRUE(party.drive([&] { return ready == 2; }));
    std::vector<Bytes> slots(kSlots);
    std::size_t begun = 0;
    ASSERT_TRUE(party.drive([&] {
      while (begun < kRounds && begun < out.messages - 1 + kSlots) {
        Bytes& slot = slots[begun % kSlots] = pattern(begun, kSlotBytes);
        out.put(party.moves.emplace_back(memory::Memory(slot), theirs, begun % kSlots * kSlotBytes));
        out.send(party.letters.emplace_back(bytes("round"), pattern(begun, begun % 7 * 300)));
        ++begun;
      }
      return out.messages == kRounds + 1 && in.messages == kRounds && party.told();
    }));
    EXPECT_EQ(wrong, 0U);
    for (const Move& put : party.moves) EXPECT_EQ(put.error, 0);
    ++finished;
    ASSERT_TRUE(party.drive([&] { return finished == 2; }));
    out.close();
    ASSERT_TRUE(party.drive([&] { return party.closed(); }));
    party.side->endpoint->revoke(*window);
    EXPECT_TRUE(shown.untouched_outside(0, kSlots * kSlotBytes));
    party.ends.clear();
    party.side->endpoint.reset();
  };
  {
    std::jthread one(body, 0);
    std::jthread two(body, 1);
  }
}

TEST_P(Threads, RevokeHoldsAgainstTransfersUnderWay) {
  ROSS_NEEDS_BACKEND(threads);
  constexpr int kRounds = 16;
  constexpr std::size_t kBytes = 4 * kMiB;
  Party owner;
  Party peer;
  for (Party* const party : {&owner, &peer}) {
    auto side = make_side(fixture(), party == &owner ? 0 : 1);
    ASSERT_TRUE(side.has_value()) << side.error().message();
    party->side = *std::move(side);
  }
  const std::string address = owner.side->endpoint->address();
  const std::uint64_t first_seed = seed();
  std::atomic<bool> over{false};

  std::jthread other([&] {
    Bytes from = pattern(1, kBytes);
    for (int round = 0; round < kRounds && !over; ++round) {
      auto channel = connect_from(*peer.side, address, kPatienceNs / 2,
                                  [&](const std::function<bool()>& done) { return peer.drive(done); });
      ASSERT_TRUE(channel.has_value()) << channel.error().message();
      End& end = peer.adopt(*std::move(channel));
      end.start();
      ASSERT_TRUE(peer.drive([&] { return end.messages == 1; }));
      const Window window = window_of(end.received[0].head);
      // Writes over and over, with other bytes each time, until the window is no more.
      const std::function<void()> next = [&] {
        if (end.closed != 0) return;
        Move& put = peer.moves.emplace_back(memory::Memory(from), window);
        put.then = [&, which = &put] {
          if (which->error != 0) return;
          for (std::size_t at = 0; at < kBytes; at += 4096) from[at] ^= std::byte{1};
          next();
        };
        end.put(put);
      };
      next();
      next();
      ASSERT_TRUE(peer.drive([&] { return end.closed == 1; }));
      EXPECT_EQ(end.outstanding, 0);
    }
    peer.ends.clear();
    peer.side->endpoint.reset();
  });

  const auto rounds = [&] {
    Random random(first_seed);
    for (int round = 0; round < kRounds; ++round) {
      ASSERT_TRUE(owner.drive([&] { return !owner.side->accepted.empty(); }));
      End& end = owner.adopt(std::move(owner.side->accepted.front()));
      owner.side->accepted.pop_front();
      end.start();
      auto shown = std::make_unique<Guarded>(kBytes, 2);
      auto window = owner.side->endpoint->expose({.memory = shown->span(), .access = Access::kWrite});
      ASSERT_TRUE(window.has_value());
      end.send(owner.letters.emplace_back(told_window(*window)));
      // Until its first bytes are there, and a random while longer.
      const auto begun = [&] { return !shown->untouched_outside(64, kBytes - 64); };
      ASSERT_TRUE(owner.drive(begun));
      for (std::uint64_t turns = random.below(40); turns > 0; --turns) owner.side->loop->poll();
      owner.side->endpoint->revoke(*window);
      const Bytes then(shown->all().begin(), shown->all().end());
      ASSERT_TRUE(owner.drive([&] { return end.closed == 1; }));
      EXPECT_TRUE(same(then, shown->all())) << "written after revoke() in round " << round;
      EXPECT_TRUE(shown->untouched_outside(0, kBytes));
    }
  };
  rounds();
  over = true;
  other.join();
  owner.ends.clear();
  owner.side->endpoint.reset();
}

}  // namespace
}  // namespace ross::fabric::conformance
