// The way past an agent: how a lane gets its channel to the server behind, which calls take it, and what becomes of them when it ends.
//
// A call that takes it has a ticket, new for each sending: a word about data that was put for an earlier one means nothing to it. Its reply
// comes by the agent, on another channel than its data, so a read waits for both. When the channel ends, calls that have
// their reply and not their data are sent again with their data by the agent; the others wait for their reply, which the server sends
// them in any case: it may say that the call was done.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "client/lane.h"

namespace ross::client {
namespace {

// Between tries; doubled with each that fails.
constexpr std::int64_t kFirstRetryNs = 100'000'000;
constexpr std::int64_t kLongestRetryNs = 10'000'000'000;
// The server says of data that it is out, and it does not come for so long: then it will not.
constexpr std::int64_t kLandNs = 15'000'000'000;

bool is_of_the_way(const Status& status) { return status.error() == EIO && status.retry() == Retry::kEndpoint; }

}  // namespace

// ---- the channel ----

bool Lane::may_go_directly(const Call& call) const {
  const Reaching* const reaching = session_->reaching.get();
  if (reaching == nullptr || !(offers_direct_ || reaching->asks_always) || recovers_ || call.staged) return false;
  if (std::max(call.data.size_bytes(), call.into.size_bytes()) <= reaching->bytes_min) return false;
  const memory::Memory& memory = call.data.size_bytes() > 0 ? call.data : call.into;
  return std::ranges::count_if(memory.spans(), [](const memory::Span& span) { return span.size_bytes > 0; }) <=
         static_cast<std::ptrdiff_t>(wire::kWindowsMax);
}

// The first try is waited for; while later ones are made, data goes by the agent.
bool Lane::waits_for_direct(Call& call) {
  if (direct_.open() || !may_go_directly(call)) return false;
  if (direct_state_ == Direct::kTried && loop_.clock().monotonic_ns() < direct_again_ns_) return false;
  begin_direct();
  return direct_state_ != Direct::kTried;
}

bool Lane::tries_directly() {
  if (session_->reaching == nullptr || !(offers_direct_ || session_->reaching->asks_always) || state_ != State::kOpen) {
    return false;
  }
  if (direct_state_ == Direct::kUntried && !direct_.open()) begin_direct();
  return direct_state_ != Direct::kTried;
}

void Lane::begin_direct() {
  if (direct_state_ == Direct::kUntried) direct_state_ = Direct::kTrying;
  // One that ends makes room first: on_direct_closed() goes on.
  if (making_direct_ || !direct_.idle()) return;
  making_direct_ = true;
  direct_turn_.posted = true;
  loop_.post(direct_turn_);
}

runtime::Task<Status> Lane::make_direct() {
  direct_welcome_ = welcomes_;
  if (state_ != State::kOpen || ending_) co_return Status(ECANCELED, "the connection to the agent is lost");
  const Placed placed = session_->placed();
  wire::Request request{.op = wire::Op::kReach};
  if (placed.where == Placed::Where::kStaged)
    request.text = std::string_view(placed.how).substr(0, wire::kSentenceBytesMax);
  Call call(request, {}, {});
  call.patient = false;
  call.urgent = true;
  reach_call_ = &call;
  co_await answer(call);
  reach_call_ = nullptr;
  if (!call.status.ok()) co_return std::move(call.status);
  if (state_ != State::kOpen || ending_) co_return Status(ECANCELED, "the connection to the agent is lost");
  const Result<wire::Reach> reach = wire::decode_reach(call.answer.text);
  if (!reach.has_value()) co_return reach.error();
  auto ways = session_->reaching->choose(*reach);
  if (!ways.has_value()) co_return std::move(ways).error();
  const wire::Token token = reach->token;
  co_return co_await direct_.make(token, *std::move(ways));
}

void Lane::direct_is_made(const Status& status) {
  making_direct_ = false;
  const bool lost = state_ != State::kOpen || ending_;
  if (lost || welcomes_ != direct_welcome_) {
    // It was for another connection to the agent. That of now has its first try to come.
    direct_.close();
    if (!lost && direct_state_ == Direct::kTrying) begin_direct();
    return end_if_over();
  }
  if (status.ok()) {
    session_->server_checks.store(direct_.within_machine(), std::memory_order_relaxed);
    if (session_->place_data({Placed::Where::kDirect, direct_.way()})) {
      log().info("data goes straight to the engine, by {}", direct_.way());
    }
  } else {
    direct_failed(status);
  }
  direct_state_ = Direct::kTried;
  release_direct_waiters();
  pump();
}

void Lane::direct_failed(const Status& why) {
  direct_pause_ns_ = std::clamp(2 * direct_pause_ns_, kFirstRetryNs, kLongestRetryNs);
  direct_again_ns_ = loop_.clock().monotonic_ns() + direct_pause_ns_;
  if (session_->place_data({Placed::Where::kStaged, why.message()})) {
    log().info("data goes by the agent: {}", why.message());
  }
}

void Lane::release_direct_waiters() {
  std::vector<Call*> waiting;
  for (Call* call = waiting_direct_.first(); call != nullptr; call = call->behind) waiting.push_back(call);
  waiting_direct_.clear();
  waiting_.push_front(waiting);
}

// With the channel to the agent. Its calls have been revoked.
void Lane::close_direct() {
  tickets_.clear();
  landings_awaited_ = 0;
  direct_state_ = Direct::kUntried;
  direct_pause_ns_ = 0;
  direct_.close();
}

bool Lane::direct_is_over() const { return direct_.idle() && !making_direct_ && !direct_turn_.posted; }

// ---- calls ----

bool Lane::expose_directly(Call& call) {
  if (!direct_.open() || !expose(call, direct_.endpoint(), direct_.channel())) return false;
  call.ticket = next_ticket_++;
  call.landed = call.cut = call.replied = false;
  tickets_.emplace(call.ticket, &call);
  wire::set_channel(direct_.name(), call.ticket, call.head);
  return true;
}

// What a reply means to a call with a ticket; false: it is done.
bool Lane::replied_directly(Call& call) {
  if (!call.status.ok()) {
    if (!is_of_the_way(call.status)) return false;
    // All that is under way there is in doubt. Who has a reply and no data yet is sent again by on_direct_closed().
    if (!call.cut) {
      direct_failed(call.status);
      direct_.close();
    }
    send_again(call);
    return true;
  }
  direct_pause_ns_ = 0;
  if (call.data.size_bytes() > 0 || call.landed) return false;
  if (call.cut) {
    send_again(call);
    return true;
  }
  call.replied = true;
  calls_.emplace(call.id, &call);
  ++landings_awaited_;
  watch_landing();
  return true;
}

// With its data by the agent, under the slot and the id it has.
void Lane::send_again(Call& call) {
  revoke(call);
  tickets_.erase(std::exchange(call.ticket, 0));
  out_of_flight(call);
  call.status = {};
  call.answer = {};
  call.staged = true;
  call.replied = call.landed = call.cut = false;
  call.again = !call.gone_out;
  if (call.gone_out) put_back(call);
}

// As soon as there is room, before those that have not been sent.
void Lane::put_back(Call& call) {
  call.again = false;
  Call* const one = &call;
  waiting_.push_front({&one, 1});
  if (state_ == State::kOpen) pump();
}

void Lane::watch_landing() {
  if (watches_landing_) return;
  watches_landing_ = true;
  loop_.at(loop_.clock().monotonic_ns() + kLandNs, [this, alive = alive_, landed = landed_] {
    if (!*alive) return;
    watches_landing_ = false;
    if (landings_awaited_ == 0) return;
    if (landed_ == landed) return direct_.close();
    watch_landing();
  });
}

void Lane::on_landed(std::uint64_t ticket) {
  ++landed_;
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return;
  Call& call = *found->second;
  call.landed = true;
  if (!call.replied) return;
  --landings_awaited_;
  calls_.erase(call.id);
  is_done(call);
}

void Lane::on_direct_closed(const Status& why) {
  std::vector<Call*> cut;
  for (const auto& [ticket, call] : tickets_) cut.push_back(call);
  std::ranges::sort(cut, {}, &Call::ticket);
  for (Call* const call : cut) {
    revoke(*call);
    call->cut = true;
    if (!call->replied) continue;
    calls_.erase(call->id);
    send_again(*call);
  }
  landings_awaited_ = 0;
  if (state_ == State::kOpen && !ending_) {
    // One that was not wanted any more, by a call that failed on it, has told its reason.
    if (direct_state_ == Direct::kTried && loop_.clock().monotonic_ns() >= direct_again_ns_) direct_failed(why);
    if (direct_state_ == Direct::kTrying) begin_direct();
    pump();
  }
  end_if_over();
}

// Of a session that has ended: nobody will call any more, so nobody else would take the lane away.
void Lane::end_if_over() {
  const bool idle = state_ == State::kNew || state_ == State::kClosed;
  if (session_->ended && !ending_ && !recovers_ && idle && direct_is_over()) end_soon();
}

}  // namespace ross::client
