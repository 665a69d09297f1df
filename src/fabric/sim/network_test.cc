// Goal: what each fault looks like from the two sides of one channel.
// Method: two hosts on one loop and one clock, so that a test can say when something must not yet, and when it must have
// happened.
#include "fabric/sim/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace ross::fabric::sim {
namespace {

constexpr ChannelLimits kLimits{.head_bytes_max = 100, .payload_bytes_max = 1 << 20};

struct Ear final : Receiver {
  std::unique_ptr<Channel> channel;
  std::vector<std::byte> payload;
  int messages = 0;
  int closed = 0;
  std::int64_t closed_at_ns = 0;
  Clock* clock = nullptr;
  Status why;
  Result<memory::Memory> on_head(std::span<const std::byte> /*head*/, std::size_t payload_bytes) override {
    payload.resize(payload_bytes);
    return memory::Memory(payload);
  }
  Status on_message() override { return ++messages, Status(); }
  void on_closed(const Status& status) override {
    ++closed;
    why = status;
    closed_at_ns = clock->monotonic_ns();
  }
};

struct Letter : Outgoing {
  int told = 0;
  bool ok = false;
  Letter() {
    head.resize(10);
    sent = [](Outgoing& self, bool was_ok) {
      ++static_cast<Letter&>(self).told;
      static_cast<Letter&>(self).ok = was_ok;
    };
  }
};

struct Move : Transfer {
  int told = 0;
  int error = -1;
  Move() {
    done = [](Transfer& self, int with) {
      ++static_cast<Move&>(self).told;
      static_cast<Move&>(self).error = with;
    };
  }
};

struct Call : Connecting {
  int told = 0;
  Result<std::unique_ptr<Channel>> result = fail(ECANCELED);
  Call() {
    done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
      ++static_cast<Call&>(self).told;
      static_cast<Call&>(self).result = std::move(channel);
    };
  }
};

class OneChannel : public testing::Test, public Acceptor {
 protected:
  void open(const LinkOptions& link = {}) {
    network = std::make_unique<Network>(clock, NetworkOptions{.seed = 5, .link = link});
    loop = *runtime::Loop::create({.clock = &clock});
    for (int i = 0; i < 2; ++i) {
      domains[i] = *make_domain(*network, i == 0 ? "a" : "b");
      open_endpoint(i);
    }
  }
  void open_endpoint(int i) {
    endpoints[i] = *domains[i]->open(*loop, {.limits = kLimits, .listen = i == 0 ? "a:1" : "b:1", .acceptor = this});
  }
  void TearDown() override {
    if (loop == nullptr) return;
    for (Ear& ear : ears) {
      if (ear.channel != nullptr && ear.closed == 0) ear.channel->close();
    }
    pass(1'000'000'000);
    for (Ear& ear : ears) ear.channel.reset();
  }
  void on_channel(std::unique_ptr<Channel> channel) override { adopt(1, std::move(channel)); }
  void adopt(int i, std::unique_ptr<Channel> channel) {
    ears[i] = Ear();
    ears[i].clock = &clock;
    ears[i].channel = std::move(channel);
    ears[i].channel->start(ears[i]);
  }
  int connect(std::int64_t patience_ns = 1'000'000'000) {
    Call call;
    endpoints[0]->connect("b:1", call, clock.monotonic_ns() + patience_ns);
    pass(patience_ns + 1'000'000);
    EXPECT_EQ(call.told, 1);
    if (!call.result.has_value()) return call.result.error().error();
    adopt(0, *std::move(call.result));
    pass(1'000'000);
    return 0;
  }
  void pass(std::int64_t ns) {
    const std::int64_t until = clock.monotonic_ns() + ns;
    while (clock.monotonic_ns() < until) loop->wait(until);
    loop->poll();
  }

  SimClock clock;
  std::unique_ptr<runtime::Loop> loop;
  std::unique_ptr<Network> network;
  std::unique_ptr<Domain> domains[2];
  Ear ears[2];
  std::unique_ptr<Endpoint> endpoints[2];
};

TEST_F(OneChannel, LatencyAndBandwidthTakeTheirTime) {
  open({.latency_ns_min = 1'000'000, .latency_ns_max = 1'000'000, .bytes_per_second = 1'000'000'000});
  ASSERT_EQ(connect(), 0);
  std::vector<std::byte> megabyte(1 << 20);
  Letter letter;
  letter.payload = memory::Memory(megabyte);
  ears[0].channel->send(letter);
  pass(2'000'000);  // a millisecond on the way, and one in the link
  EXPECT_EQ(ears[1].messages, 0);
  EXPECT_EQ(letter.told, 1);
  pass(1'100'000);  // and up to one to land
  EXPECT_EQ(ears[1].messages, 1);
}

TEST_F(OneChannel, InAPartitionNothingFlowsAndAfterwardsItGoesOn) {
  open();
  ASSERT_EQ(connect(), 0);
  network->partition("b", "a", 500'000'000);
  Letter letters[3];
  for (Letter& letter : letters) ears[0].channel->send(letter);
  pass(499'000'000);
  EXPECT_EQ(ears[1].messages, 0);
  EXPECT_EQ(ears[0].closed + ears[1].closed, 0);
  pass(2'000'000);
  EXPECT_EQ(ears[1].messages, 3);
  EXPECT_GE(network->counters().waited_for_partition, 3U);
}

TEST_F(OneChannel, ConnectingInAPartitionTimesOutAndTheLateChannelEnds) {
  open();
  network->partition("a", "b", 500'000'000);
  EXPECT_EQ(connect(100'000'000), ETIMEDOUT);
  pass(500'000'000);
  EXPECT_EQ(ears[1].closed, 1) << "who accepted learns that nobody waits any more";
}

TEST_F(OneChannel, EachSideLearnsOfACutByItself) {
  open({.notice_ns_max = 50'000'000});
  ASSERT_EQ(connect(), 0);
  Move get;
  Window window{.size_bytes = 10, .key = "any"};
  get.window = &window;
  network->cut("a", "b");
  ears[0].channel->get(get);
  pass(60'000'000);
  EXPECT_EQ(ears[0].closed + ears[1].closed, 2);
  EXPECT_NE(ears[0].closed_at_ns, ears[1].closed_at_ns);
  EXPECT_EQ(get.told, 1);
  EXPECT_EQ(get.error, ECONNRESET);
}

TEST_F(OneChannel, ACutNeverNoticedLastsUntilSomebodyCloses) {
  open({.never_notices_per_million = 1'000'000});
  ASSERT_EQ(connect(), 0);
  network->cut("a", "b");
  std::vector<std::byte> megabyte(1 << 20);
  std::vector<Letter> letters(10);
  for (Letter& letter : letters) {
    letter.payload = memory::Memory(megabyte);
    ears[0].channel->send(letter);
  }
  pass(100'000'000'000);
  EXPECT_EQ(ears[0].closed + ears[1].closed + ears[1].messages, 0);
  EXPECT_EQ(letters.back().told, 0) << "no more than kInFlightBytesMax leave";
  ears[0].channel->close();
  pass(1'000'000);
  EXPECT_EQ(ears[0].closed, 1);
  EXPECT_EQ(letters.back().told, 1);
  EXPECT_FALSE(letters.back().ok);
  pass(100'000'000'000);
  EXPECT_EQ(ears[1].closed, 0) << "the other side is not told";
}

TEST_F(OneChannel, ACutNoticedOnUseIsNoticedByWhoUsesIt) {
  open({.notices_on_use_per_million = 1'000'000});
  ASSERT_EQ(connect(), 0);
  network->cut("a", "b");
  pass(10'000'000'000);
  EXPECT_EQ(ears[0].closed + ears[1].closed, 0);
  Letter letter;
  ears[1].channel->send(letter);
  pass(10'000'000);
  EXPECT_EQ(ears[1].closed, 1);
  EXPECT_EQ(ears[0].closed, 0);
}

TEST_F(OneChannel, ACrashedHostSaysNothingAndIsToldNothing) {
  open();
  ASSERT_EQ(connect(), 0);
  Letter from_a;
  Letter from_b;
  Letter after;
  ears[0].channel->send(from_a);
  ears[1].channel->send(from_b);
  network->crash("b");
  ears[1].channel->send(after);
  ears[1].channel->close();
  pass(1'000'000'000);
  EXPECT_EQ(ears[0].closed, 1);
  EXPECT_EQ(ears[0].why.error(), ECONNRESET);
  EXPECT_EQ(ears[1].closed + ears[1].messages + from_b.told + after.told, 0);
  const auto exposed = endpoints[1]->expose({});
  EXPECT_FALSE(exposed.has_value());
  EXPECT_FALSE(domains[1]->open(*loop, {.limits = kLimits}).has_value());
  ears[1].channel.reset();
  endpoints[1].reset();
  EXPECT_EQ(connect(100'000'000), ETIMEDOUT) << "a host that is down does not even refuse";
  network->restart("b");
  EXPECT_EQ(connect(), ECONNREFUSED) << "its endpoints are gone";
  open_endpoint(1);
  ears[0].channel.reset();
  EXPECT_EQ(connect(), 0);
  Letter again;
  ears[0].channel->send(again);
  pass(1'000'000);
  EXPECT_EQ(ears[1].messages, 1);
}

TEST_F(OneChannel, AnUnpluggedHostIsToldAndSaysNothingMore) {
  open();
  ASSERT_EQ(connect(), 0);
  const auto window = endpoints[1]->expose({});
  ASSERT_TRUE(window.has_value());
  Letter from_b;
  ears[1].channel->send(from_b);
  network->unplug("b");
  EXPECT_EQ(network->counters().windows, 0U);
  pass(1'000'000'000);
  for (const Ear& ear : ears) EXPECT_EQ(ear.closed, 1);
  EXPECT_EQ(from_b.told, 1);
  EXPECT_EQ(ears[0].messages, 0);
  EXPECT_FALSE(endpoints[1]->expose({}).has_value());
  endpoints[1]->revoke(*window);
  ears[1].channel.reset();
  endpoints[1].reset();
  ears[0].channel.reset();
  EXPECT_EQ(connect(100'000'000), ETIMEDOUT);
  network->restart("b");
  open_endpoint(1);
  EXPECT_EQ(connect(), 0);
}

TEST_F(OneChannel, ACutAtAnyMomentLeavesAPutHalfDone) {
  // Over many seeds a put is found not begun, done in part and done whole; and sometimes it was told done and is not there,
  // as done() says only that its memory is free.
  int seen[3] = {};
  int told_too_early = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimClock here;
    Network net(here, {.seed = seed});
    auto own_loop = *runtime::Loop::create({.clock = &here});
    struct Takes final : Acceptor {
      Ear ear;
      void on_channel(std::unique_ptr<Channel> channel) override {
        ear.channel = std::move(channel);
        ear.channel->start(ear);
      }
    } takes;
    Ear ear;
    takes.ear.clock = ear.clock = &here;
    auto one = *make_domain(net, "a");
    auto two = *make_domain(net, "b");
    auto from = *one->open(*own_loop, {.limits = kLimits});
    auto to = *two->open(*own_loop, {.limits = kLimits, .listen = "b:1", .acceptor = &takes});
    Call call;
    from->connect("b:1", call, 1'000'000'000);
    while (call.told == 0) own_loop->wait(here.monotonic_ns() + 1'000);
    ear.channel = *std::move(call.result);
    ear.channel->start(ear);
    std::vector<std::byte> target(100'000, std::byte{0});
    std::vector<std::byte> source(100'000, std::byte{1});
    const auto window = to->expose({.memory = target, .access = Access::kWrite});
    Move put;
    put.local = memory::Memory(source);
    put.window = &*window;
    ear.channel->put(put);
    const std::int64_t cut_at = here.monotonic_ns() + static_cast<std::int64_t>(seed * 250);
    while (here.monotonic_ns() < cut_at) own_loop->wait(cut_at);
    net.cut("a", "b");
    while (ear.closed + takes.ear.closed < 2) own_loop->wait(here.monotonic_ns() + 1'000'000);
    EXPECT_EQ(put.told, 1);
    const auto written = std::count(target.begin(), target.end(), std::byte{1});
    ++seen[written == 0 ? 0 : written < 100'000 ? 1 : 2];
    if (put.error == 0 && written < 100'000) ++told_too_early;
    to->revoke(*window);
    ear.channel.reset();
    takes.ear.channel.reset();
  }
  EXPECT_GT(seen[0], 0);
  EXPECT_GT(seen[1], 0);
  EXPECT_GT(seen[2], 0);
  EXPECT_GT(told_too_early, 0);
}

}  // namespace
}  // namespace ross::fabric::sim
