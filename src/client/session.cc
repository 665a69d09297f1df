#include "client/session.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>

#include "fabric/local/unix_domain.h"
#include "fs/change_id.h"

namespace ross::client {
namespace {

// This process, known without a system call for each call.
std::atomic<pid_t> own_pid = ::getpid();
[[maybe_unused]] const int watched = ::pthread_atfork(nullptr, nullptr, [] { own_pid = ::getpid(); });

// Whether a change is one that may be asked for as often as it takes: the client had it before.
bool reclaims(const wire::Request& request) {
  return (request.op == wire::Op::kContainerOpen && request.container != 0) ||
         (request.op == wire::Op::kLock && request.mode == wire::kLockReclaim);
}

// Connects the session's lane on the current loop, and greets.
runtime::Task<Status> greet(std::shared_ptr<SessionState> state, std::int64_t deadline_ns) {
  runtime::Loop& loop = *runtime::Loop::current();
  Lane& lane = Lane::of(state, loop);
  lane.connect(deadline_ns);
  co_await lane.settled();
  if (lane.open()) co_return Status();
  Status why = lane.why();
  loop.detach(state.get());
  co_return why;
}

std::shared_ptr<SessionState> new_state(std::unique_ptr<fabric::Domain> domain, std::string address,
                                        const wire::Token& token, std::uint32_t generation) {
  auto state = std::make_shared<SessionState>();
  state->domain = std::move(domain);
  state->pid = ::getpid();
  state->move_to({.address = std::move(address), .token = token, .generation = generation});
  static_cast<void>(state->holdings.begin_generation(generation));
  return state;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::connect(const std::filesystem::path& path, std::int64_t deadline_ns) {
  ROSS_TRY(std::unique_ptr<fabric::Domain> domain, fabric::local::make_domain({}));
  return connect(std::move(domain), std::filesystem::absolute(path).string(), {}, deadline_ns);
}

Result<std::unique_ptr<Session>> Session::connect(std::unique_ptr<fabric::Domain> domain, std::string address,
                                                  const wire::Token& token, std::int64_t deadline_ns) {
  ROSS_TRY(std::unique_ptr<runtime::Loop> loop, runtime::Loop::create());
  runtime::Loop& driven = *loop;
  auto state = new_state(std::move(domain), std::move(address), token, 0);
  if (Status status = driven.block_on(greet(state, deadline_ns)); !status.ok()) return fail(std::move(status));
  return std::unique_ptr<Session>(new Session(std::move(state), std::move(loop), driven));
}

runtime::Task<Result<std::unique_ptr<Session>>> Session::connect_here(std::unique_ptr<fabric::Domain> domain,
                                                                      std::string address, wire::Token token,
                                                                      std::int64_t deadline_ns,
                                                                      std::uint32_t generation) {
  runtime::Loop* const loop = runtime::Loop::current();
  ROSS_CHECK(loop != nullptr, "a session connects outside a loop");
  auto state = new_state(std::move(domain), std::move(address), token, generation);
  ROSS_CO_OK(co_await greet(state, deadline_ns));
  co_return std::unique_ptr<Session>(new Session(std::move(state), nullptr, *loop));
}

Session::~Session() {
  state_->ended = true;
  if (!forked().ok()) {
    static_cast<void>(state_->recovery.release());  // its thread is the parent's
    return;
  }
  if (state_->recovery != nullptr) state_->recovery->stop();
  if (state_->silent) return;  // its lane goes by itself
  static_cast<void>(call_and_wait({.op = wire::Op::kEnd}));
  loop_.detach(state_.get());  // which may be the caller's and go on; those of other loops end with their connections
}

Status Session::outlive(Recovery::Ask ask, const Recovery::Options& options) {
  std::unique_ptr<runtime::Loop> own_loop;
  if (options.loop == nullptr) {
    auto made = runtime::Loop::create();
    if (!made.has_value()) return std::move(made).error();
    own_loop = *std::move(made);
  }
  state_->recovery = std::make_unique<Recovery>(*state_, std::move(ask), options, std::move(own_loop));
  return {};
}

void Session::relay(bool reclaiming) {
  state_->relays = true;
  state_->reclaiming = reclaiming;
  state_->next_id = wire::kAgentIdsBegin;
}

runtime::Task<Status> Session::leave(bool goodbye) {
  ROSS_CHECK(runtime::Loop::current() == &loop_, "a session is left on another loop than its own");
  state_->ended = true;  // no connection is made again
  if (goodbye) static_cast<void>(co_await call({.op = wire::Op::kEnd}, {}, {}));
  state_->silent = true;
  if (auto* const lane = loop_.attachment(state_.get())) static_cast<Lane*>(lane)->retire();
  if (state_->recovery != nullptr) static_cast<void>(co_await state_->recovery->end());
  co_return Status();
}

Status Session::forked() const {
  if (state_->pid == own_pid.load(std::memory_order_relaxed)) return {};
  return Status(ESHUTDOWN, "the connection belongs to the process this one was forked from: attach again",
                Retry::kSession);
}

runtime::Task<Result<Answer>> Session::call(const wire::Request& request, memory::Memory payload, memory::Memory into,
                                            bool staged) {
  if (Status status = forked(); !status.ok()) co_return fail(std::move(status));
  if (state_->silent) co_return fail(ESHUTDOWN, "the session has ended", Retry::kSession);
  runtime::Loop* const loop = runtime::Loop::current();
  ROSS_CHECK(loop != nullptr, "a call outside a loop");
  Call call(request, payload, into);
  call.staged = staged;
  if (state_->recovery != nullptr) call.note = Holdings::note_of(request);
  // Who leaves does not wait for a server that is away.
  call.patient = request.op != wire::Op::kEnd && request.op != wire::Op::kContainerClose;
  call.urgent = request.op == wire::Op::kEnd;
  if (state_->relays && call.change) {
    const fs::ChangeId name = fs::take_change_id();
    call.named = call.change = name.set();
    call.id = name.sequence;
    call.slot = name.slot;
    call.patient = call.patient && (call.named || reclaims(request));
  }
  co_await Lane::of(state_, *loop).answer(call);
  if (!call.status.ok()) co_return fail(std::move(call.status));
  if (request.op == wire::Op::kReclaimed) state_->reclaiming = false;
  co_return std::move(call.answer);
}

runtime::Task<Placed> Session::place_data() {
  runtime::Loop* const loop = runtime::Loop::current();
  ROSS_CHECK(loop != nullptr, "a call outside a loop");
  const auto there = co_await call({.op = wire::Op::kPing}, {}, {});
  if (!there.has_value()) co_return Placed{Placed::Where::kServer, there.error().message()};
  constexpr std::int64_t kLookNs = 1'000'000;
  while (Lane::of(state_, *loop).tries_directly()) co_await loop->sleep_until(loop->clock().monotonic_ns() + kLookNs);
  co_return state_->placed();
}

Placed Session::place_data_and_wait() {
  if (Status status = forked(); !status.ok()) return {Placed::Where::kServer, status.message()};
  const std::lock_guard lock(mutex_);
  return loop_.block_on(place_data());
}

Result<Answer> Session::call_and_wait(const wire::Request& request) {
  if (Status status = forked(); !status.ok()) return fail(std::move(status));
  const std::lock_guard lock(mutex_);
  return loop_.block_on(call(request, {}, {}));
}

}  // namespace ross::client
