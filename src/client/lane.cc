#include "client/lane.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace ross::client {

static_assert(wire::kWindowKeyBytesMax == fabric::kKeyBytesMax);

std::vector<memory::Span> slice(const memory::Memory& memory, std::size_t offset_bytes, std::size_t size_bytes) {
  std::vector<memory::Span> spans;
  for (const memory::Span& span : memory.spans()) {
    if (size_bytes == 0) break;
    if (offset_bytes >= span.size_bytes) {
      offset_bytes -= span.size_bytes;
      continue;
    }
    const std::size_t step = std::min(size_bytes, span.size_bytes - offset_bytes);
    spans.push_back({span.data + offset_bytes, step});
    size_bytes -= step;
    offset_bytes = 0;
  }
  return spans;
}

Lane& Lane::of(const std::shared_ptr<SessionState>& session, runtime::Loop& loop) {
  if (auto* const found = loop.attachment(session.get())) return static_cast<Lane&>(*found);
  auto made = std::make_unique<Lane>(session, loop);
  Lane& lane = *made;
  loop.attach(session.get(), std::move(made));
  return lane;
}

Lane::Lane(std::shared_ptr<SessionState> session, runtime::Loop& loop)
    : session_(std::move(session)), loop_(loop), inline_bytes_max_(session_->domain->traits().inline_bytes_max) {
  dial_.lane = this;
  dial_.done = [](fabric::Connecting& self, Result<std::unique_ptr<fabric::Channel>> channel) {
    static_cast<Dial&>(self).lane->connected(std::move(channel));
  };
  greeting_.sent = [](fabric::Outgoing&, bool) {};
  turn_.lane = this;
  turn_.run = [](runtime::Message& self) {
    Lane& lane = *static_cast<Turn&>(self).lane;
    lane.loop_.detach(lane.session_.get());
  };
}

Lane::~Lane() {
  if (session_->pid != ::getpid()) {
    // The descriptors are the parent's as well: ending the connection here would end it there.
    static_cast<void>(channel_.release());
    static_cast<void>(endpoint_.release());
    return;
  }
  *alive_ = false;
  ending_ = true;
  ROSS_CHECK(calls_.empty() && waiting_ == nullptr && landing_ == nullptr, "a loop ended with calls in flight");
  if (channel_ != nullptr) channel_->close();
  constexpr std::int64_t kLookNs = 1'000'000'000;
  while (state_ == State::kConnecting || channel_ != nullptr) loop_.wait(loop_.clock().monotonic_ns() + kLookNs);
}

// ---- connecting ----

void Lane::connect(std::int64_t deadline_ns) {
  if (state_ != State::kNew) return;
  if (endpoint_ == nullptr) {
    auto endpoint = session_->domain->open(
        loop_, {.limits = {.head_bytes_max = wire::kHeadBytesMax, .payload_bytes_max = wire::kPayloadBytesMax}});
    if (!endpoint.has_value()) return failed(std::move(endpoint).error());
    endpoint_ = *std::move(endpoint);
  }
  state_ = State::kConnecting;
  // A server that takes the connection and then says nothing.
  loop_.at(deadline_ns, [this, alive = alive_] {
    if (!*alive || state_ != State::kGreeting) return;
    why_ = Status(ETIMEDOUT, "the process at the other end does not answer");
    channel_->close();
  });
  endpoint_->connect(session_->address, dial_, deadline_ns);
}

void Lane::connected(Result<std::unique_ptr<fabric::Channel>> channel) {
  if (!channel.has_value() || ending_) return failed(channel.has_value() ? Status(ECANCELED) : channel.error());
  channel_ = *std::move(channel);
  state_ = State::kGreeting;
  wire::Hello hello{.pid = ::getpid()};
  {
    const std::lock_guard lock(session_->mutex);
    hello.session = session_->token;
  }
  channel_->start(*this);
  greeting_.head.clear();
  wire::encode(hello, greeting_.head);
  channel_->send(greeting_);
}

Status Lane::welcomed(std::span<const std::byte> head, std::size_t payload_bytes) {
  if (payload_bytes != 0) return Status(EBADMSG, "a greeting with a payload");
  const fabric::Peer& peer = channel_->peer();
  const uid_t self = ::geteuid();
  if (peer.pid != 0 && peer.uid != self && peer.uid != 0 && self != 0) {
    return Status(
        EACCES, fmt::format("the pool is served by a process of user {}, and this one is of user {}", peer.uid, self));
  }
  auto decoded = wire::decode_welcome(head);
  if (!decoded.has_value()) return std::move(decoded).error();
  const wire::Welcome& welcome = decoded->welcome;
  if (welcome.error != 0) return Status(welcome.error, decoded->sentence);
  inflight_max_ = welcome.inflight_max;
  inflight_bytes_max_ = welcome.inflight_bytes_max;
  session_->server_pid = peer.pid != 0 ? peer.pid : welcome.pid;
  {
    const std::lock_guard lock(session_->mutex);
    session_->token = welcome.session;
  }
  state_ = State::kOpen;
  return {};
}

// Before there was a channel.
void Lane::failed(Status why) {
  why_ = std::move(why);
  state_ = State::kNew;  // a later call may try again
  fail_all();
}

// ---- calls ----

// False when the call has failed already and its coroutine goes on at once.
bool Lane::submit(Call& call) {
  if (state_ == State::kNew) connect(loop_.clock().monotonic_ns() + kConnectNs);
  if (state_ == State::kNew || state_ == State::kClosing || state_ == State::kClosed) {
    call.status = gone();
    return false;
  }
  call.behind = nullptr;
  *waiting_tail_ = &call;
  waiting_tail_ = &call.behind;
  if (state_ == State::kOpen) pump();
  return true;
}

// Sends what has waited, as far as the server's grant reaches.
void Lane::pump() {
  while (waiting_ != nullptr && state_ == State::kOpen) {
    Call& call = *waiting_;
    if (call.lock_wait) {
      if (lock_waits_ >= wire::kLockWaitsMax) return;
    } else if (inflight_ >= inflight_max_ || (inflight_ > 0 && inflight_bytes_ + call.bytes > inflight_bytes_max_)) {
      return;
    }
    waiting_ = call.behind;
    if (waiting_ == nullptr) waiting_tail_ = &waiting_;
    // A call has memory for what it reads or for what it writes, not both.
    if (std::max(call.payload.size_bytes(), call.into.size_bytes()) > inline_bytes_max_ && expose(call)) {
      call.payload = {};
    }
    if (call.lock_wait) {
      ++lock_waits_;
    } else {
      ++inflight_;
      inflight_bytes_ += call.bytes;
    }
    const std::uint64_t id = next_id_++;
    std::memcpy(call.head.data() + offsetof(wire::RequestHeader, id), &id, sizeof id);
    calls_.emplace(id, &call);
    call.lane = this;
    call.sent = [](fabric::Outgoing& self, bool) {
      auto& done = static_cast<Call&>(self);
      done.gone_out = true;
      if (done.answered) done.lane->finish(done);
    };
    channel_->send(call);
  }
}

// Exposes the call's memory and names the windows in its request; false, with nothing changed, where that cannot be.
bool Lane::expose(Call& call) {
  const bool writes = call.payload.size_bytes() > 0;
  const memory::Memory& memory = writes ? call.payload : call.into;
  const auto is_used = [](const memory::Span& span) { return span.size_bytes > 0; };
  if (std::ranges::count_if(memory.spans(), is_used) > static_cast<std::ptrdiff_t>(wire::kWindowsMax)) return false;
  for (const memory::Span& span : memory.spans()) {
    if (!is_used(span)) continue;
    auto window = endpoint_->expose({.memory = {span.data, span.size_bytes},
                                     .access = writes ? fabric::Access::kRead : fabric::Access::kWrite,
                                     .region = nullptr,
                                     .only_for = channel_.get()});
    if (!window.has_value()) {
      revoke(call);
      return false;
    }
    call.windows.push_back(*std::move(window));
  }
  for (const fabric::Window& window : call.windows) {
    wire::add_window({.offset_bytes = 0, .size_bytes = window.size_bytes, .key = window.key}, call.head);
  }
  return true;
}

void Lane::revoke(Call& call) {
  for (const fabric::Window& window : call.windows) endpoint_->revoke(window);
  call.windows.clear();
}

Result<memory::Memory> Lane::on_head(std::span<const std::byte> head, std::size_t payload_bytes) {
  if (state_ == State::kGreeting) {
    if (Status status = welcomed(head, payload_bytes); !status.ok()) {
      why_ = status;
      return fail(std::move(status));
    }
    return memory::Memory();
  }
  ROSS_TRY(const wire::Reply reply, wire::decode_reply(head));
  const auto found = calls_.find(reply.id);
  if (found == calls_.end()) return fail(EBADMSG, "a reply to nothing that was asked");
  Call& call = *found->second;
  const bool by_window = !call.windows.empty();
  const bool has_none = reply.error != 0 || by_window;
  if (payload_bytes > (has_none ? 0 : call.into.size_bytes()) ||
      (by_window && reply.error == 0 && call.into.size_bytes() > 0 && reply.value > call.into.size_bytes())) {
    return fail(EBADMSG, "a reply with more data than was asked for");
  }
  calls_.erase(found);
  landing_ = &call;
  if (reply.error != 0) {
    call.status = Status(reply.error, reply.text, static_cast<Retry>(reply.retry));
  } else {
    call.answer.value = reply.value;
    call.answer.payload_bytes = by_window && call.into.size_bytes() > 0 ? reply.value : payload_bytes;
    call.answer.created = reply.created;
    call.answer.has_attr = reply.has_attr;
    call.answer.attr = reply.attr;
    call.answer.text = reply.text;
  }
  if (payload_bytes == 0) return memory::Memory();
  if (payload_bytes == call.into.size_bytes()) return call.into;
  landing_spans_ = slice(call.into, 0, payload_bytes);
  return memory::Memory(std::span<const memory::Span>(landing_spans_));
}

Status Lane::on_message() {
  if (landing_ == nullptr) {  // the greeting
    pump();
    return {};
  }
  Call& call = *std::exchange(landing_, nullptr);
  revoke(call);
  if (call.lock_wait) {
    --lock_waits_;
  } else {
    --inflight_;
    inflight_bytes_ -= call.bytes;
  }
  call.answered = true;
  pump();
  if (call.gone_out) finish(call);
  return {};
}

// The call's coroutine goes on; what it was may be gone when this returns.
void Lane::finish(Call& call) { call.handle.resume(); }

// ---- ending ----

// A server that has welcomed the session once and cannot be reached any more has gone, whatever the connection says.
Status Lane::gone() const {
  if (session_->server_pid == 0) return why_;
  return Status(ESHUTDOWN,
                fmt::format("the connection to process {}, which has the pool open, is gone ({}): attach again",
                            session_->server_pid.load(), why_.message()),
                Retry::kSession);
}

void Lane::on_closed(const Status& why) {
  if (why_.ok()) why_ = why;
  state_ = State::kClosing;
  if (landing_ != nullptr) revoke(*landing_);
  for (const auto& [id, call] : calls_) revoke(*call);
  channel_.reset();
  fail_all();
  state_ = State::kClosed;
  // Nobody will call any more, so nobody else would take it away.
  if (session_->ended && !ending_) loop_.post(turn_);
}

// The channel has told sent() for each that it had, so nothing but us holds them.
void Lane::fail_all() {
  std::vector<Call*> failed;
  if (landing_ != nullptr) failed.push_back(std::exchange(landing_, nullptr));
  for (const auto& [id, call] : calls_) failed.push_back(call);
  calls_.clear();
  for (Call* call = std::exchange(waiting_, nullptr); call != nullptr; call = call->behind) failed.push_back(call);
  waiting_tail_ = &waiting_;
  const Status status = gone();
  for (Call* const call : failed) {
    call->status = status;
    finish(*call);
  }
}

}  // namespace ross::client
