#include "client/session.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "fabric/local/socket_channel.h"

namespace ross::client {

// One request on its way, in the frame of the coroutine that made it.
struct Session::Call {
  struct Wake : runtime::Message {
    Call* call = nullptr;
  };
  Session* session = nullptr;
  Sending sending;
  memory::Memory into;
  std::uint64_t bytes = 0;  // what it counts against the bytes in flight
  bool lock_wait = false;   // not counted as in flight: it may take as long as it likes
  bool sent = false;        // the channel is done with it
  bool answered = false;
  Status status;
  Answer answer;
  Call* next = nullptr;
  runtime::Loop* home = nullptr;
  std::coroutine_handle<> handle;
  Wake wake;
};

struct Session::Waiting {
  Session& session;
  Call& call;
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle) {
    call.handle = handle;
    call.home = runtime::Loop::current();
    ROSS_CHECK(call.home != nullptr, "a call outside a loop");
    return session.submit(call);  // from here on it may be resumed by another thread
  }
  void await_resume() noexcept {}
};

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

Result<std::unique_ptr<Session>> Session::connect(const std::filesystem::path& path, std::int64_t deadline_ns) {
  ROSS_TRY(fabric::Socket socket, fabric::connect_to(path));
  return over(std::move(socket), deadline_ns);
}

Result<std::unique_ptr<Session>> Session::over(fabric::Socket socket, std::int64_t deadline_ns) {
  ROSS_TRY(const fabric::Peer peer, fabric::peer_of(socket.fd()));
  const uid_t self = ::geteuid();
  if (peer.uid != self && peer.uid != 0 && self != 0) {
    return fail(EACCES,
                fmt::format("the pool is served by a process of user {}, and this one is of user {}", peer.uid, self));
  }
  wire::Hello hello{.pid = ::getpid()};
  if (const Status status = fabric::send_all(socket.fd(), &hello, sizeof hello, deadline_ns); !status.ok()) {
    return fail(status.error() == EPIPE ? Status(ECONNRESET, "the process that served the pool has gone") : status);
  }
  ROSS_OK(fabric::receive_all(socket.fd(), &hello, sizeof hello, deadline_ns));
  if (hello.magic != wire::kMagic) return fail(EPROTO, "what answers there does not speak ROSS");
  if (hello.version != wire::kVersion) {
    return fail(EPROTO, fmt::format("process {} serves the pool with version {} of the protocol, this one has {}: "
                                    "run both from the same build",
                                    peer.pid, hello.version, wire::kVersion));
  }
  if (hello.error != 0) {
    return fail(
        hello.error > 0 ? hello.error : EPROTO,
        fmt::format("process {} serves the pool and refuses this one: {}", peer.pid, Status(hello.error).message()));
  }
  if (hello.inflight_max == 0 || hello.inflight_bytes_max < wire::kPayloadBytesMax) {
    return fail(EPROTO, "the server grants nothing");
  }
  hello.pid = peer.pid;  // the kernel's word
  ROSS_TRY(std::unique_ptr<runtime::Loop> loop, runtime::Loop::create());
  std::unique_ptr<Session> session(new Session(std::move(loop), hello));
  ROSS_TRY(session->channel_, fabric::make_socket_channel(*session->loop_, std::move(socket),
                                                          {.head_bytes_max = wire::kHeadBytesMax,
                                                           .payload_bytes_max = wire::kPayloadBytesMax}));
  // The program's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  session->thread_ = std::thread([self_ptr = session.get()] {
    ::pthread_setname_np(::pthread_self(), "ross-session");
    {
      const runtime::Loop::Scope scope(*self_ptr->loop_);
      self_ptr->channel_->start(*self_ptr);
    }
    self_ptr->loop_->run();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return session;
}

Session::Session(std::unique_ptr<runtime::Loop> loop, wire::Hello hello)
    : loop_(std::move(loop)),
      pid_(::getpid()),
      server_pid_(hello.pid),
      inflight_max_(hello.inflight_max),
      inflight_bytes_max_(hello.inflight_bytes_max) {
  turn_.session = this;
  turn_.run = [](runtime::Message& self) { static_cast<Turn&>(self).session->take_turn(); };
}

Session::~Session() {
  if (!thread_.joinable()) return;
  if (pid_ != ::getpid()) {
    // A copy that fork() made: the thread and the connection are the parent's.
    thread_.detach();
    static_cast<void>(channel_.release());
    static_cast<void>(const_cast<std::unique_ptr<runtime::Loop>&>(loop_).release());
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (!turn_planned_) {
      turn_planned_ = true;
      loop_->post(turn_);
    }
  }
  thread_.join();
  channel_.reset();
}

Status Session::gone(const Status& why) const {
  return Status(ESHUTDOWN,
                fmt::format("the connection to process {}, which has the pool open, is gone ({}): attach again",
                            server_pid_, why.message()),
                Retry::kSession);
}

runtime::Task<Result<Answer>> Session::call(const wire::Request& request, memory::Memory payload, memory::Memory into) {
  if (pid_ != ::getpid()) {
    co_return fail(ESHUTDOWN, "the connection belongs to the process this one was forked from: attach again",
                   Retry::kSession);
  }
  Call call;
  call.session = this;
  wire::encode(request, call.sending.head);
  call.sending.payload = payload;
  call.sending.call = &call;
  call.sending.sent = [](fabric::Outgoing& self, bool) {
    Call& done = *static_cast<Sending&>(self).call;
    done.sent = true;
    if (done.answered) done.session->finish(done);
  };
  call.into = into;
  call.bytes = call.sending.head.size() + payload.size_bytes() + into.size_bytes();
  call.lock_wait = request.op == wire::Op::kLock && request.mode != 0;
  call.wake.call = &call;
  call.wake.run = [](runtime::Message& self) { static_cast<Call::Wake&>(self).call->handle.resume(); };
  Waiting waiting{*this, call};
  co_await waiting;
  if (!call.status.ok()) co_return fail(std::move(call.status));
  co_return std::move(call.answer);
}

Result<Answer> Session::call_and_wait(const wire::Request& request) {
  ROSS_TRY(const std::unique_ptr<runtime::Loop> loop, runtime::Loop::create());
  return loop->block_on(call(request, {}, {}));
}

// False when the call has failed already and its coroutine goes on at once.
bool Session::submit(Call& call) {
  const std::lock_guard lock(mutex_);
  if (broken_) {
    call.status = gone(why_);
    return false;
  }
  call.next = submitted_;
  submitted_ = &call;
  if (!turn_planned_) {
    turn_planned_ = true;
    loop_->post(turn_);
  }
  return true;
}

// ---- on the session's thread ----

void Session::take_turn() {
  Call* taken = nullptr;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    turn_planned_ = false;
    taken = std::exchange(submitted_, nullptr);
    stopping = stopping_;
  }
  Call* ordered = nullptr;
  while (taken != nullptr) {
    Call* const next = taken->next;
    taken->next = ordered;
    ordered = std::exchange(taken, next);
  }
  while (ordered != nullptr) {
    Call& call = *std::exchange(ordered, ordered->next);
    call.next = nullptr;
    if (closed_) {
      call.sent = true;
      fail_call(call);
      continue;
    }
    *waiting_tail_ = &call;
    waiting_tail_ = &call.next;
  }
  if (!stopping) return pump();
  if (closed_) {
    loop_->stop();
  } else {
    channel_->close();  // on_closed stops the loop
  }
}

// Sends what has waited, as far as the server's grant reaches.
void Session::pump() {
  while (waiting_ != nullptr && !closed_) {
    Call& call = *waiting_;
    if (call.lock_wait) {
      if (lock_waits_ >= wire::kLockWaitsMax) return;
    } else if (inflight_ >= inflight_max_ || (inflight_ > 0 && inflight_bytes_ + call.bytes > inflight_bytes_max_)) {
      return;
    }
    waiting_ = call.next;
    if (waiting_ == nullptr) waiting_tail_ = &waiting_;
    if (call.lock_wait) {
      ++lock_waits_;
    } else {
      ++inflight_;
      inflight_bytes_ += call.bytes;
    }
    const std::uint64_t id = next_id_++;
    std::memcpy(call.sending.head.data() + offsetof(wire::RequestHeader, id), &id, sizeof id);
    calls_.emplace(id, &call);
    channel_->send(call.sending);
  }
}

Result<memory::Memory> Session::on_head(std::span<const std::byte> head, std::size_t payload_bytes) {
  ROSS_TRY(const wire::Reply reply, wire::decode_reply(head));
  const auto found = calls_.find(reply.id);
  if (found == calls_.end()) return fail(EBADMSG, "a reply to nothing that was asked");
  Call& call = *found->second;
  if (payload_bytes > call.into.size_bytes() || (reply.error != 0 && payload_bytes != 0)) {
    return fail(EBADMSG, "a reply with more data than was asked for");
  }
  calls_.erase(found);
  landing_ = &call;
  if (reply.error != 0) {
    call.status = Status(reply.error, reply.text, static_cast<Retry>(reply.retry));
  } else {
    call.answer.value = reply.value;
    call.answer.payload_bytes = payload_bytes;
    call.answer.created = reply.created;
    call.answer.has_attr = reply.has_attr;
    call.answer.attr = reply.attr;
    call.answer.text = reply.text;
  }
  if (payload_bytes == call.into.size_bytes()) return call.into;
  landing_spans_ = slice(call.into, 0, payload_bytes);
  return memory::Memory(std::span<const memory::Span>(landing_spans_));
}

Status Session::on_message() {
  Call& call = *std::exchange(landing_, nullptr);
  if (call.lock_wait) {
    --lock_waits_;
  } else {
    --inflight_;
    inflight_bytes_ -= call.bytes;
  }
  call.answered = true;
  if (call.sent) finish(call);
  pump();
  return {};
}

void Session::on_closed(const Status& why) {
  closed_ = true;
  Call* submitted = nullptr;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    broken_ = true;
    why_ = why;
    submitted = std::exchange(submitted_, nullptr);
    stopping = stopping_;
  }
  // The channel has told sent() for each that it had, so nothing but us holds them.
  if (landing_ != nullptr) fail_call(*std::exchange(landing_, nullptr));
  auto calls = std::exchange(calls_, {});
  for (const auto& [id, call] : calls) fail_call(*call);
  const auto fail_list = [this](Call* list) {
    while (list != nullptr) fail_call(*std::exchange(list, list->next));
  };
  fail_list(std::exchange(waiting_, nullptr));
  waiting_tail_ = &waiting_;
  fail_list(submitted);
  if (stopping) loop_->stop();
}

void Session::fail_call(Call& call) {
  call.status = gone(why_);
  finish(call);
}

// The call's coroutine goes on, on its own loop; it may be gone when this returns.
void Session::finish(Call& call) { call.home->post(call.wake); }

}  // namespace ross::client
