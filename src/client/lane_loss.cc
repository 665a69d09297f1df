// How a lane notices that its server is gone, and what it does then: calls end, or wait until the session is back and are made again.
#include <fmt/format.h>

#include <algorithm>

#include "client/lane.h"

namespace ross::client {

void Lane::watch() {
  if (watching_ || session_->recovery == nullptr) return;
  watching_ = true;
  heard_then_ = heard_;
  quiet_looks_ = 0;
  loop_.at(loop_.clock().monotonic_ns() + session_->recovery->options().quiet_ns, [this, alive = alive_] {
    if (*alive) look_after();
  });
}

void Lane::look_after() {
  watching_ = false;
  if (state_ != State::kOpen || calls_.empty()) return;
  const int looks = heard_ == heard_then_ ? quiet_looks_ + 1 : 0;
  if (looks >= 3) {
    why_ = Status(ETIMEDOUT, "the server does not answer");
    channel_->close();
    return;
  }
  if (looks == 1 && !ping_.under_way) {
    ping_.under_way = true;
    channel_->send(ping_);
  }
  watch();
  quiet_looks_ = looks;
}

// A server that has welcomed the session once and cannot be reached any more has gone, whatever the connection says.
Status Lane::gone() const {
  if (session_->recovery != nullptr) {
    if (Status over = session_->recovery->over(); !over.ok()) return over;
  }
  if (session_->server_pid == 0) return why_;
  return Status(ESHUTDOWN,
                fmt::format("the connection to process {}, which has the pool open, is gone ({}): attach again",
                            session_->server_pid.load(), why_.message()),
                Retry::kSession);
}

bool Lane::comes_back() const {
  return session_->recovery != nullptr && !recovers_ && !ending_ && !session_->ended && session_->recovery->over().ok();
}

void Lane::on_closed(const Status& why) {
  if (why_.ok()) why_ = why;
  state_ = State::kClosing;
  if (landing_ != nullptr) revoke(*landing_);
  for (const auto& [id, call] : calls_) revoke(*call);
  close_direct();
  ping_.under_way = false;
  channel_.reset();
  if (comes_back()) return lose(std::exchange(why_, {}));
  state_ = State::kClosed;
  settle();
  fail_all();
  end_if_over();
}

void Lane::lose(const Status& why) {
  state_ = State::kLost;
  take_back_calls();
  waits_for_recovery_ = true;
  session_->recovery->lost(place_.generation, loop_, back_turn_, why);
}

// The session is back, or will never be.
void Lane::come_back() {
  waits_for_recovery_ = false;
  if (ending_) return;
  state_ = State::kNew;
  if (!comes_back()) {
    fail_all();
    state_ = State::kClosed;
    return end_if_over();
  }
  if (waiting_.first() != nullptr || waiting_locks_.first() != nullptr) {
    connect(loop_.clock().monotonic_ns() + kConnectNs);
  }
}

// What was sent and not answered waits again, before what came later. The channel has told sent() for each that it had,
// so nothing but us holds them. What is not to be made again ends.
void Lane::take_back_calls() {
  std::vector<Call*> sent;
  if (landing_ != nullptr) sent.push_back(std::exchange(landing_, nullptr));
  for (const auto& [id, call] : calls_) sent.push_back(call);
  calls_.clear();
  inflight_ = 0;
  inflight_bytes_ = 0;
  lock_waits_ = 0;
  std::ranges::sort(sent, {}, &Call::id);
  std::vector<Call*> calls;
  std::vector<Call*> locks;
  std::vector<Call*> ended;
  std::vector<Call*> passing;
  for (Call* const call : sent) {
    call->status = {};
    call->answer = {};
    call->resent = true;
    call->ticket = 0;
    call->replied = false;
    // Windows of others are for one sending: their owner makes new ones.
    if (call->patient && call->passes) {
      passing.push_back(call);
      continue;
    }
    (!call->patient ? ended : call->lock_wait ? locks : calls).push_back(call);
  }
  release_direct_waiters();
  waiting_.push_front(calls);
  waiting_locks_.push_front(locks);
  const Status status = gone();
  for (Call* const call : ended) {
    take_back_slot(*call);
    call->status = status;
    finish(*call);
  }
  for (Call* const call : passing) {
    take_back_slot(*call);
    call->status = Status(EIO, "the connection to the engine was lost", Retry::kEndpoint);
    finish(*call);
  }
}

void Lane::retire() {
  if (channel_ != nullptr) {
    channel_->close();
  } else {
    end_if_over();
  }
  // Otherwise it is connecting, waits for the recovery that is being stopped, or goes already. Its calls do not end in here: who
  // leaves may be one of them.
}

void Lane::end_soon() {
  if (!std::exchange(end_turn_.posted, true)) loop_.post(end_turn_);
}

void Lane::fail_all() {
  std::vector<Call*> failed;
  release_direct_waiters();
  if (landing_ != nullptr) failed.push_back(std::exchange(landing_, nullptr));
  for (const auto& [id, call] : calls_) failed.push_back(call);
  calls_.clear();
  std::ranges::sort(failed, {}, &Call::id);
  for (CallLine* const line : {&waiting_, &waiting_locks_}) {
    for (Call* call = line->first(); call != nullptr; call = call->behind) failed.push_back(call);
    line->clear();
  }
  const Status status = gone();
  for (Call* const call : failed) {
    take_back_slot(*call);
    call->status = status;
    finish(*call);
  }
}

}  // namespace ross::client
