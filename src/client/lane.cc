#include "client/lane.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

namespace ross::client {

static_assert(wire::kWindowKeyBytesMax == fabric::kKeyBytesMax);

Call::Call(const wire::Request& request, memory::Memory data_out, memory::Memory data_in)
    : data(data_out), into(data_in) {
  wire::encode(request, head);
  head_bytes = head.size();
  bytes = head.size() + data.size_bytes() + into.size_bytes();
  for (const wire::WindowPart& window : request.windows) bytes += window.size_bytes;
  passes = !request.windows.empty();
  change = wire::is_change(request.op);
  lock_wait = request.op == wire::Op::kLock && request.mode == wire::kLockWait;
}

Lane& Lane::of(const std::shared_ptr<SessionState>& session, runtime::Loop& loop) {
  if (auto* const found = loop.attachment(session.get())) return static_cast<Lane&>(*found);
  auto made = std::make_unique<Lane>(session, loop);
  Lane& lane = *made;
  loop.attach(session.get(), std::move(made));
  return lane;
}

Lane::Lane(std::shared_ptr<SessionState> session, runtime::Loop& loop, Place place)
    : session_(std::move(session)),
      loop_(loop),
      recovers_(!place.address.empty()),
      place_(std::move(place)),
      inline_bytes_max_(session_->domain->traits().inline_bytes_max) {
  dial_.lane = this;
  dial_.done = [](fabric::Connecting& self, Result<std::unique_ptr<fabric::Channel>> channel) {
    static_cast<Dial&>(self).lane->connected(std::move(channel));
  };
  greeting_.sent = [](fabric::Outgoing&, bool) {};
  ping_.sent = [](fabric::Outgoing& self, bool ok) {
    if (!ok) static_cast<Ping&>(self).under_way = false;
  };
  wire::encode(wire::Request{.op = wire::Op::kPing}, ping_.head);
  end_turn_.lane = this;
  end_turn_.run = [](runtime::Message& self) {
    auto& turn = static_cast<Turn&>(self);
    turn.posted = false;
    turn.lane->loop_.detach(turn.lane->session_.get());  // unless that is what it is being destroyed by
  };
  direct_turn_.lane = this;
  direct_turn_.run = [](runtime::Message& self) {
    auto& turn = static_cast<Turn&>(self);
    turn.posted = false;
    runtime::spawn(turn.lane->make_direct(),
                   [lane = turn.lane](const Status& status) { lane->direct_is_made(status); });
  };
  back_turn_.lane = this;
  back_turn_.run = [](runtime::Message& self) { static_cast<Turn&>(self).lane->come_back(); };
  settled_turn_.run = [](runtime::Message& self) {
    auto& turn = static_cast<SettledTurn&>(self);
    turn.posted = false;
    std::exchange(turn.handle, {}).resume();
  };
}

Lane::Lane(std::shared_ptr<SessionState> session, runtime::Loop& loop) : Lane(std::move(session), loop, Place()) {}

Lane::~Lane() {
  if (session_->pid != ::getpid()) {
    // The descriptors are the parent's as well: ending the connection here would end it there.
    static_cast<void>(channel_.release());
    static_cast<void>(endpoint_.release());
    direct_.abandon();
    return;
  }
  *alive_ = false;
  ending_ = true;
  ROSS_CHECK(calls_.size() == (reach_call_ != nullptr ? 1 : 0) && waiting_.first() == nullptr &&
                 waiting_locks_.first() == nullptr && waiting_direct_.first() == nullptr && landing_ == nullptr,
             "a loop ended with calls in flight");
  if (channel_ != nullptr) channel_->close();
  direct_.close();
  constexpr std::int64_t kLookNs = 1'000'000'000;
  if (waits_for_recovery_ && session_->recovery->cancel(back_turn_)) waits_for_recovery_ = false;
  while (state_ == State::kConnecting || channel_ != nullptr || waits_for_recovery_ || end_turn_.posted ||
         !direct_is_over()) {
    loop_.wait(loop_.clock().monotonic_ns() + kLookNs);
  }
  session_->slots.give_back(slots_);
}

bool Lane::is_settled() const { return ending_ ? channel_ == nullptr && state_ != State::kConnecting : !connecting(); }

void Lane::settle() {
  if (settled_turn_.handle && is_settled() && !std::exchange(settled_turn_.posted, true)) loop_.post(settled_turn_);
}

void Lane::close() {
  ending_ = true;
  if (channel_ != nullptr) channel_->close();
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
  if (!recovers_) place_ = session_->place();
  // A server that takes the connection and then says nothing.
  loop_.at(deadline_ns, [this, alive = alive_] {
    if (!*alive || state_ != State::kGreeting) return;
    why_ = Status(ETIMEDOUT, "the process at the other end does not answer");
    channel_->close();
  });
  endpoint_->connect(place_.address, dial_, deadline_ns);
}

void Lane::connected(Result<std::unique_ptr<fabric::Channel>> channel) {
  const bool unwanted = ending_ || session_->silent;
  if (!channel.has_value() || unwanted) return failed(channel.has_value() ? Status(ECANCELED) : channel.error());
  channel_ = *std::move(channel);
  state_ = State::kGreeting;
  const wire::Hello hello{.pid = ::getpid(), .generation = place_.generation, .session = place_.token};
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
  offers_direct_ = (welcome.bits & wire::kWelcomeReach) != 0;
  const fabric::Traits& traits = session_->domain->traits();
  inline_bytes_max_ = traits.inline_bytes_max;
  // An agent of this machine copies what is large by itself, between its memory and ours, so that this processor is spared; a
  // message would be faster where both copy at once.
  if (offers_direct_ && traits.same_machine_only) inline_bytes_max_ = std::min(inline_bytes_max_, kSpareBytesMin);
  direct_state_ = Direct::kUntried;
  ++welcomes_;
  inflight_max_ = welcome.inflight_max;
  inflight_bytes_max_ = welcome.inflight_bytes_max;
  session_->server_pid = peer.pid != 0 ? peer.pid : welcome.pid;
  if (place_.token == wire::Token{}) {
    place_.token = welcome.session;
    session_->move_to(place_);
  }
  state_ = State::kOpen;
  settle();
  return {};
}

// Before there was a channel.
void Lane::failed(Status why) {
  why_ = std::move(why);
  if (comes_back()) return lose(why_);
  state_ = State::kNew;  // a later call may try again
  settle();
  fail_all();
  end_if_over();
}

// ---- calls ----

// False when the call has failed already and its coroutine goes on at once.
bool Lane::submit(Call& call) {
  call.lane = this;
  if (state_ == State::kNew) connect(loop_.clock().monotonic_ns() + kConnectNs);
  const bool comes = state_ == State::kConnecting || state_ == State::kGreeting || state_ == State::kOpen;
  if (!comes && !(state_ == State::kLost && call.patient)) {
    call.status = gone();
    return false;
  }
  if (call.urgent) {
    Call* const first = &call;
    waiting_.push_front({&first, 1});
  } else {
    (call.lock_wait ? waiting_locks_ : waiting_).push(call);
  }
  if (state_ == State::kOpen) pump();
  return true;
}

bool Lane::has_room(const Call& call) const {
  if (call.urgent) return true;
  if (call.lock_wait) return lock_waits_ < wire::kLockWaitsMax;
  return inflight_ == 0 || (inflight_ < inflight_max_ && inflight_bytes_ + call.bytes <= inflight_bytes_max_);
}

// A change of a session that can be brought back has a slot, unless it came with one. Waits for locks leave half of them to the
// others, who may be the ones to unlock.
bool Lane::give_slot(Call& call) {
  if (!call.change || !call.patient || call.slot != 0 || session_->recovery == nullptr) return true;
  if (slots_.empty() || (call.lock_wait && slots_.size() <= slots_held_ / 2)) {
    const std::uint16_t another = session_->slots.take(slots_held_);
    if (another == 0) return false;
    slots_.push_back(another);
    ++slots_held_;
  }
  call.slot = slots_.back();
  slots_.pop_back();
  return true;
}

void Lane::take_back_slot(Call& call) {
  if (call.slot != 0 && !call.named) slots_.push_back(call.slot);
  call.slot = 0;
}

// Sends what has waited, as far as the server's grant reaches.
void Lane::pump() {
  for (CallLine* const line : {&waiting_, &waiting_locks_}) {
    while (line->first() != nullptr && state_ == State::kOpen) {
      Call& call = *line->first();
      if (waits_for_direct(call)) {
        line->pop();
        waiting_direct_.push(call);
        continue;
      }
      if (!has_room(call) || !give_slot(call)) break;
      line->pop();
      send(call);
    }
  }
}

void Lane::send(Call& call) {
  // As it was before it was sent: it may be sent again.
  call.head.resize(call.head_bytes);
  if (call.data.size_bytes() + call.into.size_bytes() > 0) {
    std::memset(call.head.data() + offsetof(wire::RequestHeader, windows), 0, sizeof wire::RequestHeader::windows);
    wire::set_channel(0, 0, call.head);
  }
  call.payload = call.data;
  // A call has memory for what it reads or for what it writes, not both.
  if (may_go_directly(call) && expose_directly(call)) {
    call.payload = {};
  } else if (std::max(call.data.size_bytes(), call.into.size_bytes()) > inline_bytes_max_ &&
             expose(call, *endpoint_, *channel_)) {
    call.payload = {};
  }
  if (call.lock_wait) {
    ++lock_waits_;
  } else {
    ++inflight_;
    inflight_bytes_ += call.bytes;
  }
  if (call.id == 0) call.id = session_->next_id.fetch_add(1, std::memory_order_relaxed);
  std::memcpy(call.head.data() + offsetof(wire::RequestHeader, id), &call.id, sizeof call.id);
  std::memcpy(call.head.data() + offsetof(wire::RequestHeader, slot), &call.slot, sizeof call.slot);
  if (call.note != nullptr) session_->holdings.sent(*call.note);
  calls_.emplace(call.id, &call);
  call.gone_out = false;
  call.sent = [](fabric::Outgoing& self, bool) {
    auto& done = static_cast<Call&>(self);
    done.gone_out = true;
    if (done.again) return done.lane->put_back(done);
    if (done.answered) done.lane->finish(done);
  };
  watch();
  channel_->send(call);
}

// Exposes the call's memory and names the windows in its request; false, with nothing changed, where that cannot be.
bool Lane::expose(Call& call, fabric::Endpoint& endpoint, const fabric::Channel& channel) {
  const bool writes = call.data.size_bytes() > 0;
  const memory::Memory& memory = writes ? call.data : call.into;
  const auto is_used = [](const memory::Span& span) { return span.size_bytes > 0; };
  if (std::ranges::count_if(memory.spans(), is_used) > static_cast<std::ptrdiff_t>(wire::kWindowsMax)) return false;
  for (const memory::Span& span : memory.spans()) {
    if (!is_used(span)) continue;
    auto window = endpoint.expose({.memory = {span.data, span.size_bytes},
                                   .access = writes ? fabric::Access::kRead : fabric::Access::kWrite,
                                   .region = nullptr,
                                   .only_for = &channel});
    if (!window.has_value()) {
      for (const fabric::Window& made : call.windows) endpoint.revoke(made);
      call.windows.clear();
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
  fabric::Endpoint& endpoint = call.ticket != 0 ? direct_.endpoint() : *endpoint_;
  for (const fabric::Window& window : call.windows) endpoint.revoke(window);
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
  ++heard_;
  ROSS_TRY(const wire::Reply reply, wire::decode_reply(head));
  if (reply.id == 0 && ping_.under_way && payload_bytes == 0) {
    ping_.under_way = false;
    return memory::Memory();
  }
  const auto found = calls_.find(reply.id);
  if (found == calls_.end() || found->second->replied) return fail(EBADMSG, "a reply to nothing that was asked");
  Call& call = *found->second;
  const bool by_window = !call.windows.empty() || call.ticket != 0;
  const bool has_none = reply.error != 0 || by_window;
  if (payload_bytes > (has_none ? 0 : call.into.size_bytes()) ||
      (by_window && reply.error == 0 && call.into.size_bytes() > 0 && reply.value > call.into.size_bytes())) {
    return fail(EBADMSG, "a reply with more data than was asked for");
  }
  calls_.erase(found);
  landing_ = &call;
  // A file that was closed before its server went is not there to be closed again.
  const bool closed_before =
      call.resent && reply.error == EBADF && call.note != nullptr && call.note->op == wire::Op::kClose;
  if (reply.error != 0 && !closed_before) {
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
  memory::slice(call.into, 0, payload_bytes, landing_spans_);
  return memory::Memory(std::span<const memory::Span>(landing_spans_));
}

Status Lane::on_message() {
  if (landing_ == nullptr) {  // the greeting, or the answer to a ping
    pump();
    return {};
  }
  Call& call = *landing_;
  if (call.note != nullptr && call.status.ok() &&
      !session_->holdings.answered(place_.generation, *call.note, call.answer)) {
    return Status(ESTALE, "the session has moved on");  // the call is made again
  }
  landing_ = nullptr;
  if (session_->recovery != nullptr && session_->recovery->in_trouble()) session_->recovery->heard();
  if (call.ticket != 0 && replied_directly(call)) {
    pump();
    return {};
  }
  is_done(call);
  return {};
}

void Lane::out_of_flight(const Call& call) {
  if (call.lock_wait) {
    --lock_waits_;
  } else {
    --inflight_;
    inflight_bytes_ -= call.bytes;
  }
}

// It has all it waited for.
void Lane::is_done(Call& call) {
  take_back_slot(call);
  revoke(call);
  if (call.status.ok()) {
    const std::uint64_t bytes = call.data.size_bytes() + call.answer.payload_bytes;
    (call.ticket != 0 ? session_->moved_directly : session_->moved_by_server)
        .fetch_add(bytes, std::memory_order_relaxed);
  }
  if (call.ticket != 0) tickets_.erase(std::exchange(call.ticket, 0));
  out_of_flight(call);
  call.answered = true;
  pump();
  if (call.gone_out) finish(call);
}

// The call's coroutine goes on; what it was may be gone when this returns.
void Lane::finish(Call& call) { call.handle.resume(); }

}  // namespace ross::client
