#include "client/recovery.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "client/lane.h"
#include "client/session_state.h"

namespace ross::client {
namespace {

constexpr std::int64_t kFirstPauseNs = 20'000'000;
constexpr std::int64_t kLongestPauseNs = 500'000'000;
constexpr std::int64_t kTellNs = 2'000'000'000;
// A server that takes a connection and says nothing is tried again after this long.
constexpr std::int64_t kTryNs = 15'000'000'000;

bool is_final(int error) {
  return error == ESTALE || error == EACCES || error == EPERM || error == ENOENT || error == EPROTO;
}

std::int64_t now_ns() { return system_clock().monotonic_ns(); }

}  // namespace

struct Recovery::Anchor {
  std::unique_ptr<runtime::Loop> loop;
  runtime::Loop::Scope scope;
  Lane lane;

  Anchor(std::shared_ptr<SessionState> state, std::unique_ptr<runtime::Loop> made, const Place& place)
      : loop(std::move(made)), scope(*loop), lane(std::move(state), *loop, place) {}

  Status ask(const wire::Request& request) {
    Call call(request, {}, {});
    call.patient = false;
    const auto answered = [](Lane& by, Call& made) -> runtime::Task<Status> {
      co_await by.answer(made);
      co_return std::move(made.status);
    };
    return loop->block_on(answered(lane, call));
  }
};

Recovery::Recovery(SessionState& state, Ask ask, const Options& options)
    : state_(state), ask_(std::move(ask)), options_(options) {}

Recovery::~Recovery() { stop(); }

void Recovery::stop() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    ending.swap(thread_);
  }
  if (ending.joinable()) ending.join();
  const std::lock_guard lock(mutex_);
  for (const Waiter& waiter : waiters_) waiter.loop->post(*waiter.wake);
  waiters_.clear();
}

Status Recovery::over() {
  const std::lock_guard lock(mutex_);
  return over_;
}

void Recovery::lost(std::uint32_t generation, runtime::Loop& loop, runtime::Message& wake, const Status& why) {
  const std::lock_guard lock(mutex_);
  const bool back_already = !down_ && generation < generation_;
  if (stopping_ || !over_.ok() || back_already) return loop.post(wake);
  waiters_.push_back({&loop, &wake});
  if (down_) return;
  down_ = true;
  if (!trouble_.exchange(true)) since_ns_ = now_ns();
  log().info("the connection to the server is lost: {}", why.message());
  if (thread_.joinable()) return changed_.notify_all();
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

bool Recovery::cancel(const runtime::Message& wake) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(waiters_, [&wake](const Waiter& waiter) { return waiter.wake == &wake; }) == 1;
}

void Recovery::run() {
  ::pthread_setname_np(::pthread_self(), "ross-recovery");
  std::unique_ptr<Anchor> anchor;
  std::unique_lock lock(mutex_);
  std::int64_t pause_ns = kFirstPauseNs;
  bool told = false;  // a person waits
  while (!stopping_ && over_.ok()) {
    if (!down_) {
      changed_.wait(lock);
      continue;
    }
    if (heard_.exchange(false)) pause_ns = kFirstPauseNs;
    const std::uint32_t generation = generation_ + 1;
    const std::int64_t end_ns = since_ns_ + options_.patience_ns;
    lock.unlock();
    Status status = bring_back(generation, std::min(end_ns, now_ns() + kTryNs), anchor);
    lock.lock();
    const std::int64_t away_ns = now_ns() - since_ns_;
    if (!status.ok() && !told && away_ns >= kTellNs) {
      told = true;
      log().warn("the server is away ({}): waiting for up to {} s", status.message(),
                 options_.patience_ns / 1'000'000'000);
    }
    if (status.ok()) {
      generation_ = generation;
      down_ = false;
      if (std::exchange(told, false)) log().warn("the server is back after {} s", away_ns / 1'000'000'000);
    } else if (is_final(status.error())) {
      over_ =
          Status(ESHUTDOWN, fmt::format("the session is lost: {}: attach again", status.message()), Retry::kSession);
    } else if (now_ns() >= end_ns) {
      over_ = Status(ETIMEDOUT,
                     fmt::format("the server has been away for {} s ({}): attach again when it is back",
                                 away_ns / 1'000'000'000, status.message()),
                     Retry::kSession);
    }
    if (status.ok() || !over_.ok()) {
      for (const Waiter& waiter : waiters_) waiter.loop->post(*waiter.wake);
      waiters_.clear();
    }
    // Also after a success: a server that takes us back and drops us at once is not asked without pause.
    if (over_.ok()) changed_.wait_for(lock, std::chrono::nanoseconds(pause_ns), [this] { return stopping_; });
    pause_ns = std::min(2 * pause_ns, kLongestPauseNs);
  }
  lock.unlock();  // the anchor's end takes its time
}

Status Recovery::bring_back(std::uint32_t generation, std::int64_t deadline_ns, std::unique_ptr<Anchor>& anchor) {
  anchor.reset();
  auto found = ask_(deadline_ns);
  if (!found.has_value()) return std::move(found).error();
  const Place place{.address = std::move(found->address), .token = found->token, .generation = generation};
  auto loop = runtime::Loop::create();
  if (!loop.has_value()) return std::move(loop).error();
  anchor = std::make_unique<Anchor>(state_.shared_from_this(), *std::move(loop), place);
  Lane& lane = anchor->lane;
  lane.connect(deadline_ns);
  while (lane.connecting()) anchor->loop->wait();
  if (!lane.open()) {
    // A session that has just been found and is gone at once is asked for again, and then it is told why.
    return Status(ECONNREFUSED, lane.why().message());
  }
  const Holdings::List held = state_.holdings.begin_generation(generation);
  if (!found->resumed) ROSS_STATUS(reclaim(*anchor, held));
  state_.move_to(place);
  return {};
}

// Opens and locks again what the session held.
Status Recovery::reclaim(Anchor& anchor, const Holdings::List& held) {
  for (const auto& [number, name] : held.containers) {
    ROSS_STATUS(anchor.ask({.op = wire::Op::kContainerOpen, .container = number, .name = name}));
  }
  for (const auto& [number, file] : held.files) {
    wire::Request open{.op = wire::Op::kReopen, .container = file.container, .node = file.node, .file = number};
    open.mode = file.open_bits;
    open.uid = file.uid;
    open.gid = file.gid;
    open.groups = file.groups;
    if (Status status = anchor.ask(open); !status.ok()) {
      if (!anchor.lane.open()) return status;
      log().warn("file {} could not be opened again: {}", number, status.message());
      continue;  // calls on it fail
    }
    for (const wire::Lock& held_lock : file.locks) {
      wire::Request lock{.op = wire::Op::kLock, .container = file.container, .file = number};
      lock.mode = wire::kLockReclaim;
      lock.text = wire::as_text(held_lock);
      if (Status status = anchor.ask(lock); !status.ok()) {
        if (!anchor.lane.open()) return status;
        log().warn("a lock on file {} is lost: {}", number, status.message());
      }
    }
  }
  return anchor.ask({.op = wire::Op::kReclaimed});
}

}  // namespace ross::client
