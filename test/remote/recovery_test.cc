// Goal: a try to bring a session back is later than every one before, those that failed included, so that a server refuses what these
// have left on their way. Method: a door in place of the server, in a simulated network, which turns guests away.
#include "client/recovery.h"

#include <gtest/gtest.h>

#include <vector>

#include "client/session.h"
#include "fabric/sim/network.h"

namespace ross::client {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr const char* kAddress = "server:1";

// Welcomes a guest, or hangs up; who is in is heard no further.
class Guest final : private fabric::Receiver {
 public:
  Guest(std::unique_ptr<fabric::Channel> channel, std::vector<std::uint32_t>& generations, unsigned& turns_away)
      : channel_(std::move(channel)), generations_(generations), turns_away_(turns_away) {
    welcome_.sent = [](fabric::Outgoing&, bool) {};
    channel_->start(*this);
  }

 private:
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t) override {
    if (in_) return fail(ESHUTDOWN);
    ROSS_TRY(const wire::Hello hello, wire::decode_hello(head));
    generations_.push_back(hello.generation);
    if (turns_away_ > 0) return --turns_away_, fail(ESHUTDOWN);
    in_ = true;
    const wire::Welcome welcome{
        .pid = 1, .inflight_max = 1, .inflight_bytes_max = wire::kInflightBytesMax, .session = hello.session};
    wire::encode(welcome, {}, welcome_.head);
    channel_->send(welcome_);
    return memory::Memory();
  }
  Status on_message() override { return {}; }
  void on_closed(const Status&) override { channel_.reset(); }

  std::unique_ptr<fabric::Channel> channel_;
  std::vector<std::uint32_t>& generations_;
  unsigned& turns_away_;
  fabric::Outgoing welcome_;
  bool in_ = false;
};

struct Door final : fabric::Acceptor {
  void on_channel(std::unique_ptr<fabric::Channel> channel) override {
    guests.push_back(std::make_unique<Guest>(std::move(channel), generations, turns_away));
  }
  std::vector<std::unique_ptr<Guest>> guests;
  std::vector<std::uint32_t> generations;  // of all who came
  unsigned turns_away = 0;
};

TEST(RecoveryTest, EveryTryIsLaterThanThoseBefore) {
  SimClock clock;
  const auto loop = *runtime::Loop::create({.clock = &clock});
  fabric::sim::Network network(clock, {.seed = 1});
  const auto server = *fabric::sim::make_domain(network, "server");
  Door door;
  const fabric::ChannelLimits limits{.head_bytes_max = wire::kHeadBytesMax,
                                     .payload_bytes_max = wire::kPayloadBytesMax};
  auto endpoint = *server->open(*loop, {.limits = limits, .listen = kAddress, .acceptor = &door});
  const wire::Token token{7};
  auto session =
      *loop->block_on(Session::connect_here(*fabric::sim::make_domain(network, "client"), kAddress, token, kSecond));
  Recovery::Options options;
  options.loop = loop.get();
  const auto ask = [&token](std::int64_t) -> runtime::Task<Result<Recovery::Found>> {
    co_return Recovery::Found{.address = kAddress, .token = token, .resumed = true};
  };
  ASSERT_TRUE(session->outlive(ask, options).ok());

  door.turns_away = 3;
  network.cut("client", "server");
  while (door.generations.size() < 5 && clock.monotonic_ns() < 30 * kSecond) loop->wait(30 * kSecond);
  EXPECT_EQ(door.generations, (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  session.reset();
  const std::int64_t until_ns = clock.monotonic_ns() + kSecond;
  while (clock.monotonic_ns() < until_ns) loop->wait(until_ns);
}

}  // namespace
}  // namespace ross::client
