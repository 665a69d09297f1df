#include "client/direct_channel.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <utility>

#include "wire/message.h"

namespace ross::client {

auto DirectChannel::greeted() {
  struct Awaiter {
    DirectChannel& direct;
    [[nodiscard]] bool await_ready() const { return direct.state_ != State::kGreeting; }
    void await_suspend(std::coroutine_handle<> handle) {
      direct.turn_.handle = handle;
      direct.turn_.run = [](runtime::Message& self) {
        auto& turn = static_cast<Turn&>(self);
        turn.posted = false;
        std::exchange(turn.handle, {}).resume();
      };
    }
    void await_resume() noexcept {}
  };
  return Awaiter{*this};
}

// Outside of the channel's callbacks: who is woken may end it.
void DirectChannel::wake() {
  if (turn_.handle && !std::exchange(turn_.posted, true)) loop_.post(turn_);
}

runtime::Task<Status> DirectChannel::make(wire::Token token, std::vector<ReachableBy> ways) {
  ROSS_CHECK(state_ == State::kIdle, "a channel is made that is there");
  state_ = State::kMaking;
  unwanted_ = false;
  std::vector<std::string> reasons;
  for (const ReachableBy& by : ways) {
    if (unwanted_) break;
    Status status = co_await try_way(token, by);
    if (status.ok()) co_return Status();
    reasons.push_back(fmt::format("{} at {}: {}", by.fabric, by.address, status.message()));
    // Outside of the endpoint's callbacks.
    co_await loop_.sleep_until(loop_.clock().monotonic_ns());
    endpoint_.reset();
    if (status.error() == ESTALE) break;  // the token: other ways do not help
  }
  state_ = State::kIdle;
  if (unwanted_) co_return Status(ECANCELED, "it is not wanted any more");
  co_return Status(EHOSTUNREACH, fmt::format("the engine cannot be reached: {}", fmt::join(reasons, "; ")));
}

runtime::Task<Status> DirectChannel::try_way(const wire::Token& token, const ReachableBy& by) {
  const std::int64_t deadline_ns = loop_.clock().monotonic_ns() + kTryNs;
  auto endpoint = by.domain->open(
      loop_, {.limits = {.head_bytes_max = wire::kHeadBytesMax, .payload_bytes_max = wire::kPayloadBytesMax}});
  if (!endpoint.has_value()) co_return std::move(endpoint).error();
  endpoint_ = *std::move(endpoint);
  auto channel = co_await fabric::connect(*endpoint_, by.address, deadline_ns);
  if (!channel.has_value()) co_return std::move(channel).error();
  if (unwanted_) co_return Status(ECANCELED);
  channel_ = *std::move(channel);
  state_ = State::kGreeting;
  why_ = {};
  channel_->start(*this);
  greeting_.sent = [](fabric::Outgoing&, bool) {};
  greeting_.head.clear();
  wire::encode(wire::Hello{.kind = wire::Kind::kTransfers, .pid = ::getpid(), .session = token}, greeting_.head);
  channel_->send(greeting_);
  // A server that takes the connection and then says nothing.
  loop_.at(deadline_ns, [this, alive = std::weak_ptr<bool>(alive_), channel = channel_.get()] {
    if (alive.expired() || state_ != State::kGreeting || channel_.get() != channel) return;
    why_ = Status(ETIMEDOUT, "the process at the other end does not answer");
    channel_->close();
  });
  co_await greeted();
  if (state_ == State::kOpen) {
    way_ = fmt::format("{} at {}", by.fabric, by.address);
    within_machine_ = by.domain->traits().same_machine_only;
    co_return Status();
  }
  state_ = State::kMaking;
  co_return std::exchange(why_, {});
}

void DirectChannel::close() {
  unwanted_ = true;
  if (channel_ == nullptr) return;
  if (state_ == State::kOpen) state_ = State::kClosing;
  channel_->close();
}

void DirectChannel::abandon() {
  static_cast<void>(channel_.release());
  static_cast<void>(endpoint_.release());
}

Result<memory::Memory> DirectChannel::on_head(std::span<const std::byte> head, std::size_t payload_bytes) {
  if (payload_bytes != 0) return fail(EBADMSG, "a payload on a channel for transfers");
  if (state_ == State::kGreeting) {
    ROSS_TRY(const wire::Welcomed welcomed, wire::decode_welcome(head));
    if (welcomed.welcome.error != 0) {
      why_ = Status(welcomed.welcome.error, welcomed.sentence);
      return fail(why_);
    }
    const fabric::Peer& peer = channel_->peer();
    const uid_t self = ::geteuid();
    if (peer.pid != 0 && peer.uid != self && peer.uid != 0 && self != 0) {
      why_ = Status(EACCES, fmt::format("it is a process of user {}, and this one is of user {}", peer.uid, self));
      return fail(why_);
    }
    if (welcomed.welcome.channel == 0) return fail(EBADMSG, "a channel without a name");
    name_ = welcomed.welcome.channel;
    state_ = State::kOpen;
    wake();
    return memory::Memory();
  }
  ROSS_TRY(const wire::Landed landed, wire::decode_landed(head));
  landed_ = landed.ticket;
  return memory::Memory();
}

Status DirectChannel::on_message() {
  const std::uint64_t ticket = std::exchange(landed_, 0);
  if (ticket != 0 && state_ == State::kOpen) user_.on_landed(ticket);
  return {};
}

void DirectChannel::on_closed(const Status& why) {
  if (why_.ok()) why_ = why.ok() ? Status(ECONNRESET) : why;
  channel_.reset();
  const State before = state_;
  // One that is being made still has its maker.
  state_ = before == State::kGreeting || turn_.handle ? State::kMaking : State::kIdle;
  if (turn_.handle) return wake();
  user_.on_direct_closed(std::exchange(why_, {}));
}

}  // namespace ross::client
