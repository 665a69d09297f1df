#include "client/recovery.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

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

}  // namespace

Recovery::Recovery(SessionState& state, Ask ask, const Options& options, std::unique_ptr<runtime::Loop> own_loop)
    : state_(state),
      ask_(std::move(ask)),
      options_(options),
      own_loop_(std::move(own_loop)),
      loop_(own_loop_ != nullptr ? *own_loop_ : *options.loop),
      tries_(state.place().generation),
      generation_(tries_) {
  begin_.recovery = this;
  begin_.run = [](runtime::Message& message) {
    Recovery& self = *static_cast<Begin&>(message).recovery;
    runtime::spawn(self.run(), [](const Status&) {});
  };
}

Recovery::~Recovery() { stop(); }

void Recovery::start() {
  running_ = true;
  if (own_loop_ == nullptr) return loop_.post(begin_);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "ross-recovery");
    static_cast<void>(loop_.block_on(run()));
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Recovery::stop() {
  std::thread ending;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    ending.swap(thread_);
  }
  if (ending.joinable()) ending.join();
  while (running()) loop_.wait();
  const std::lock_guard lock(mutex_);
  for (const Waiter& waiter : waiters_) waiter.loop->post(*waiter.wake);
  waiters_.clear();
}

Recovery::Work Recovery::end() {
  constexpr std::int64_t kLookNs = 1'000'000;
  runtime::Loop& loop = *runtime::Loop::current();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  while (running()) co_await loop.sleep_until(loop.clock().monotonic_ns() + kLookNs);
  stop();  // its thread is at its last line
  co_return Status();
}

bool Recovery::running() {
  const std::lock_guard lock(mutex_);
  return running_;
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
  if (!trouble_.exchange(true)) since_ns_ = loop.clock().monotonic_ns();
  log().info("the connection to the server is lost: {}", why.message());
  if (running_) return changed_.notify_all();
  start();
}

bool Recovery::cancel(const runtime::Message& wake) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(waiters_, [&wake](const Waiter& waiter) { return waiter.wake == &wake; }) == 1;
}

Recovery::Work Recovery::run() {
  std::unique_lock lock(mutex_);
  std::int64_t pause_ns = kFirstPauseNs;
  while (!stopping_ && over_.ok()) {
    if (!down_) {
      co_await changed_.wait(lock);
      continue;
    }
    if (heard_.exchange(false)) pause_ns = kFirstPauseNs;
    const std::uint32_t generation = ++tries_;
    const std::int64_t end_ns = since_ns_ + options_.patience_ns;
    lock.unlock();
    const Status outcome = co_await bring_back(generation, std::min(end_ns, loop_.clock().monotonic_ns() + kTryNs));
    lock.lock();
    told(generation, outcome, end_ns);
    // Also after a success: a server that takes us back and drops us at once is not asked without pause.
    static_cast<void>(co_await pause(lock, pause_ns));
    pause_ns = std::min(2 * pause_ns, kLongestPauseNs);
  }
  lock.unlock();
  static_cast<void>(co_await let_go());
  *alive_ = false;
  lock.lock();
  running_ = false;
  co_return Status();
}

// What came of a try. With the mutex held.
void Recovery::told(std::uint32_t generation, const Status& outcome, std::int64_t end_ns) {
  const std::int64_t now_ns = loop_.clock().monotonic_ns();
  const std::int64_t away_ns = now_ns - since_ns_;
  if (outcome.ok()) {
    generation_ = generation;
    down_ = false;
    if (std::exchange(told_, false)) log().warn("the server is back after {} s", away_ns / 1'000'000'000);
  } else if (is_final(outcome.error())) {
    over_ = Status(ESHUTDOWN, fmt::format("the session is lost: {}: attach again", outcome.message()), Retry::kSession);
  } else if (now_ns >= end_ns) {
    over_ = Status(ETIMEDOUT,
                   fmt::format("the server has been away for {} s ({}): attach again when it is back",
                               away_ns / 1'000'000'000, outcome.message()),
                   Retry::kSession);
  } else {
    if (away_ns >= kTellNs && !std::exchange(told_, true)) {
      log().warn("the server is away ({}): waiting for up to {} s", outcome.message(),
                 options_.patience_ns / 1'000'000'000);
    }
    return;
  }
  for (const Waiter& waiter : waiters_) waiter.loop->post(*waiter.wake);
  waiters_.clear();
}

// Until stop() at most.
Recovery::Work Recovery::pause(std::unique_lock<std::mutex>& lock, std::int64_t pause_ns) {
  const std::int64_t until_ns = loop_.clock().monotonic_ns() + pause_ns;
  loop_.at(until_ns, [this, alive = alive_] {
    if (!*alive) return;
    const std::lock_guard guard(mutex_);
    changed_.notify_all();
  });
  while (over_.ok() && !stopping_ && loop_.clock().monotonic_ns() < until_ns) co_await changed_.wait(lock);
  co_return Status();
}

}  // namespace ross::client
