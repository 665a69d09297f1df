// Goal: two processes, each with a domain of its own, talk like two endpoints of one; and when the one is killed at any
// moment, the other's channel ends, everything it held is told, and its memory holds nothing that was not put there.
// Method: children that connect to the test, told what to do by the name of the program they run (child.h); SIGKILL at
// seeded moments while messages, puts and gets go both ways.
#include <cstring>

#include "conformance/fabric/child.h"
#include "conformance/fabric/harness.h"

namespace ross::fabric::conformance {
namespace {

constexpr std::size_t kBytes = 1 * kMiB;

// A connected child.
struct Caller {
  std::unique_ptr<Side> side;
  std::unique_ptr<End> end;

  bool call(Fixture& fixture, const std::string& address) {
    auto made = make_side(fixture, 1, {.listens = false});
    if (!made.has_value()) return false;
    side = *std::move(made);
    auto channel = connect_from(*side, address, kPatienceNs / 2,
                                [this](const std::function<bool()>& done) { return drive_alone(*side, done); });
    if (!channel.has_value()) {
      std::fprintf(stderr, "child: connecting: %s\n", channel.error().message().c_str());
      return false;
    }
    end = std::make_unique<End>(*side);
    end->channel = *std::move(channel);
    end->start();
    return true;
  }
  bool drive(const std::function<bool()>& done) const { return drive_alone(*side, done); }
};

// Gets what the first window it is told of holds, puts that into the second, and says so.
int copies(Fixture& fixture, const std::string& address) {
  Caller caller;
  if (!caller.call(fixture, address)) return 1;
  End& end = *caller.end;
  if (!caller.drive([&] { return end.messages == 2; })) return 2;
  Bytes data(kBytes);
  Move get(memory::Memory(data), window_of(end.received[0].head));
  end.get(get);
  if (!caller.drive([&] { return get.told == 1; }) || get.error != 0) return 3;
  Move put(memory::Memory(data), window_of(end.received[1].head));
  Letter done(bytes("done"), Bytes(data.begin(), data.begin() + 1000));
  end.put(put);
  end.send(done);
  if (!caller.drive([&] { return put.told == 1 && done.told == 1; }) || put.error != 0) return 4;
  if (!caller.drive([&] { return end.closed == 1; })) return 5;
  caller.end.reset();
  return 0;
}

// Shows memory to read and to write, then sends and writes without end.
int never_ends(Fixture& fixture, const std::string& address) {
  Caller caller;
  if (!caller.call(fixture, address)) return 1;
  End& end = *caller.end;
  end.keep = false;
  Window theirs;
  bool has_window = false;
  end.on_each_head = [&](const Bytes& head, std::size_t) {
    if (!has_window) theirs = window_of(head);
    has_window = true;
  };
  Guarded readable(kBytes, 7);
  Guarded writable(kBytes, 8);
  auto to_read = caller.side->endpoint->expose({.memory = readable.span(), .access = Access::kRead});
  auto to_write = caller.side->endpoint->expose({.memory = writable.span(), .access = Access::kWrite});
  if (!to_read.has_value() || !to_write.has_value()) return 2;
  Letter first(told_window(*to_read));
  Letter second(told_window(*to_write));
  end.send(first);
  end.send(second);
  if (!caller.drive([&] { return has_window; })) return 3;
  Bytes from = pattern(9, kBytes);
  std::deque<std::unique_ptr<Letter>> letters;
  std::deque<std::unique_ptr<Move>> moves;
  caller.drive([&] {
    while (end.outstanding < 16) {
      moves.push_back(std::make_unique<Move>(memory::Memory(from), theirs));
      letters.push_back(std::make_unique<Letter>(bytes("more"), pattern(9, 50'000)));
      end.put(*moves.back());
      end.send(*letters.back());
    }
    while (!letters.empty() && letters.front()->told > 0) letters.pop_front();
    while (!moves.empty() && moves.front()->told > 0) moves.pop_front();
    return end.closed == 1;
  });
  return 4;  // it should have been killed
}

// Connects, and sleeps without driving its loop.
int mute(Fixture& fixture, const std::string& address) {
  Caller caller;
  if (!caller.call(fixture, address)) return 1;
  for (;;) ::pause();
}

class Processes : public FabricTest {
 protected:
  End& accept(Side& server) {
    if (!drive([&] { return !server.accepted.empty(); })) std::abort();
    End& end = adopt(server, std::move(server.accepted.front()));
    server.accepted.pop_front();
    return end;
  }
};
INSTANTIATE_TEST_SUITE_P(All, Processes, testing::ValuesIn(backends()), backend_name);

TEST_P(Processes, AChildCopiesThroughWindows) {
  ROSS_NEEDS_BACKEND(processes);
  Side& server = add_side(0);
  for (int round = 0; round < 2; ++round) {
    Child child(backend(), copies, server.endpoint->address());
    ASSERT_TRUE(child.started());
    End& end = accept(server);
    if (traits().same_machine_only) {
      EXPECT_EQ(end.channel->peer().pid, child.pid());
    }
    Guarded& source = memory(kBytes, 1);
    Guarded& target = memory(kBytes, 2);
    end.send(letter(told_window(expose(server, source.span(), Access::kRead, nullptr, end.channel.get()))));
    end.send(letter(told_window(expose(server, target.span(), Access::kWrite, nullptr, end.channel.get()))));
    drive([&] { return end.messages == 1; });
    EXPECT_TRUE(same(target.span(), source.span()));
    EXPECT_TRUE(target.untouched_outside(0, kBytes));
    EXPECT_TRUE(same(end.received[0].pieces[0], source.span().first(1000)));
    end.close();
    drive([&] { return end.closed == 1; });
    EXPECT_EQ(child.wait(), 0);
  }
}

TEST_P(Processes, AKilledPeerEndsTheChannel) {
  ROSS_NEEDS_BACKEND(processes);
  ROSS_NEEDS_TRAIT(notices_death);
  Random random(seed());
  Side& server = add_side(0);
  Side& neighbour = add_side(1);
  Pair good = connect_pair(neighbour, server);
  for (int round = 0; round < 6; ++round) {
    SCOPED_TRACE(round);
    Child child(backend(), never_ends, server.endpoint->address());
    ASSERT_TRUE(child.started());
    End& end = accept(server);
    end.keep = false;
    std::vector<Window> theirs;
    end.on_each_head = [&](const Bytes& head, std::size_t) {
      if (theirs.size() < 2) theirs.push_back(window_of(head));
    };
    Guarded& target = memory(kBytes, 2);
    const Window window = expose(server, target.span(), Access::kWrite, nullptr, end.channel.get());
    end.send(letter(told_window(window)));
    drive([&] { return end.messages >= 2; });
    Guarded& mine = memory(2 * kBytes, 3);
    for (int i = 0; i < 8; ++i) {
      end.get(move(mine.memory(0, kBytes), theirs[0]));
      end.put(move(mine.memory(kBytes, kBytes), theirs[1]));
      end.send(letter(bytes("from the parent"), pattern(1, 100'000)));
    }
    const std::size_t until = end.messages + random.below(60);
    drive([&] { return end.messages >= until; });
    child.kill();
    drive([&] { return end.closed == 1; });
    EXPECT_EQ(end.outstanding, 0);
    revoke(server, window);
    // What is in the window was put there: each byte is the child's or as it was before.
    const Bytes wanted = pattern(9, kBytes);
    Guarded before(kBytes, 2);
    std::size_t odd = 0;
    constexpr std::size_t kPiece = 64;  // what holds one of the two alone is seen at once
    for (std::size_t at = 0; at < kBytes; at += kPiece) {
      const auto found = target.span().subspan(at, kPiece);
      if (same(found, std::span(wanted).subspan(at, kPiece)) || same(found, before.span().subspan(at, kPiece)))
        continue;
      for (std::size_t i = at; i < at + kPiece; ++i)
        odd += target.span()[i] != wanted[i] && target.span()[i] != before.span()[i];
    }
    EXPECT_EQ(odd, 0U);
    EXPECT_TRUE(target.untouched_outside(0, kBytes));
    const Bytes then(target.all().begin(), target.all().end());
    const Bytes ours(mine.all().begin(), mine.all().end());
    settle();
    EXPECT_TRUE(same(then, target.all()));
    EXPECT_TRUE(same(ours, mine.all()));
    EXPECT_TRUE(mine.untouched_outside(0, kBytes));
    send_and_wait(*good.left, *good.right, letter(bytes("on")));
  }
}

TEST_P(Processes, AKilledPeerThatNeverSaidAWordEndsTheChannel) {
  ROSS_NEEDS_BACKEND(processes);
  ROSS_NEEDS_TRAIT(notices_death);
  Side& server = add_side(0);
  for (const bool sends : {false, true}) {
    Child child(backend(), mute, server.endpoint->address());
    ASSERT_TRUE(child.started());
    End& end = accept(server);
    settle();
    for (int i = 0; sends && i < 40; ++i) end.send(letter(bytes("unheard"), pattern(1, kLimits.payload_bytes_max)));
    settle();
    EXPECT_EQ(end.closed, 0);
    child.kill();
    drive([&] { return end.closed == 1; });
  }
}

}  // namespace
}  // namespace ross::fabric::conformance
