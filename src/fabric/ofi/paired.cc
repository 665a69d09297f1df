// OfiEndpoint's part about its pair: passes in turns, sleeping, and the end of the other process.
#include <sched.h>
#include <unistd.h>

#include "fabric/ofi/channel.h"
#include "fabric/ofi/endpoint.h"
#include "fabric/ofi/leftovers.h"

namespace ross::fabric::ofi {
namespace {

constexpr unsigned kPassesAwaiting = 64;
// How long operations on a broken connection may take to be told, where the provider tells them.
constexpr std::int64_t kFlushNs = 2'000'000'000;
// The other end's last pass, where nobody has waited for it before. Where it takes longer its process is stopped; its own mapping
// shows it what we leave.
constexpr std::int64_t kLastPassNs = 1'000'000'000;

}  // namespace

std::size_t OfiEndpoint::poll_pair() {
  Pair& pair = *pair_;
  ++passes_;
  // Before there is a channel in every pass: what a process leaves that dies as it connects must not be taken up (leftovers.h).
  if (slots_.empty() && !pair.gone()) pair.look();
  blocked_ = false;
  std::size_t count = dials_.empty() ? 0 : run_dials();
  const bool work = pair.has_work();
  // Where operations of ours wait, the pass of the other end that completes them leaves work; the rest is to be sure.
  if (!pair.over() && (work || unread_ || (awaits() && passes_ % kPassesAwaiting == 0))) {
    if (const Turn turn(&pair); turn) {
      pair.take_work();
      if (!receives_->retry()) blocked_ = true;
      // First what has come: that a peer has ended is known before something is sent to it.
      count += arrive(kReadsPerPass);
      if (slots_.empty()) count += tell();  // a greeting is answered in the same turn
      // Operations of either end are completed by passes of both, which the provider does not tell of.
      if ((work && pair.other_awaits()) || awaits()) pair.did();
      pair.await(awaits());
    } else {
      blocked_ = true;
    }
  }
  if (pair.over() && !lost_) lose_pair();
  count += tell();
  if (!stalled_.empty() || !awake_.empty()) {
    if (const Turn turn(&pair); turn || pair.over()) {
      if (!stalled_.empty()) drain_outboxes();
      count += flush();
      if (turn) pair.await(awaits());
    } else {
      blocked_ = true;
    }
  }
  if (pair.over() && !lost_) lose_pair();
  if (!closing_.empty()) count += settle();
  if (count > 0) idle_ns_ = 0;
  return count;
}

// The other end takes no turns any more, or is gone, or we have cut it off.
void OfiEndpoint::lose_pair() {
  lost_ = true;
  const Status why = pair_->gone() ? Status(ESHUTDOWN, "the process at the other end has gone")
                                   : Status(ECONNRESET, "the other end has broken the connection");
  while (!peers_.empty()) cut(*peers_.begin()->second, why);
  pair_->close();
}

void OfiEndpoint::disarm() {
  if (pair_ == nullptr) return;
  pair_->wake_up();
  unread_ = unread_ || awaits();
}

bool OfiEndpoint::has_settled(std::int64_t waited_ns) {
  return pair_ != nullptr ? pair_->quiet() : waited_ns > kFlushNs;
}

void OfiEndpoint::channel_gone() {
  if (host_ != nullptr) host_->on_channel_gone();
}

void OfiEndpoint::heard_bye() {
  if (pair_ != nullptr) pair_->say_heard();
}

void OfiEndpoint::close_pair() {
  pair_->close();
  // An end in this process uses our mapping.
  const std::int64_t until = pair_->peer().pid == ::getpid() ? INT64_MAX : now() + kLastPassNs;
  while (!pair_->quiet() && now() < until) {
    ::sched_yield();
    pair_->look();
  }
  endpoint_.reset();
  queue_.reset();
  addresses_.reset();
  if (pair_->gone()) remove_leftover(pair_->peer_name());
}

}  // namespace ross::fabric::ofi
