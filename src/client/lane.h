// Lane: a session's connection on one loop.
//
// Whoever calls makes the progress: requests go out and answers come in on the caller's own loop, so that nothing is
// handed between threads. A lane connects at its first call, keeps to what the server granted (requests and bytes in
// flight; the rest waits here), lands payloads in the caller's memory and resumes callers.
//
// When the connection ends, for whatever reason, every call on it ends too, with ESHUTDOWN and a sentence; in a session
// that can be brought back (recovery.h) calls wait instead, and what had no answer is sent again, in its order and under
// its id. A server that says nothing while calls are under way is asked whether it is there, and given up if it is not.
//
// Windows: data of more than the backend's Traits::inline_bytes_max, or kSpareBytesMin beside an agent of this machine, does not
// travel in messages. The caller's memory is exposed, to this server alone, for as long as the call is under way, and the server puts
// what is read there and gets from it what is written. It is revoked before the caller's coroutine goes on, whatever the outcome.
// Memory in more than wire::kWindowsMax spans, and memory that cannot be exposed (windows or locked memory are short), travels in
// messages.
//
// Past an agent (decisions/0013, lane_direct.cc): where the server is an agent that offers it, and the session was told how (reaching.h),
// the lane makes a second channel, to the server behind, at the first call whose data is large enough. Such calls name windows on that
// channel; they are over when the reply is here, by the agent, and for a read also the word on that channel that its data has landed.
// What fails on it is sent again with its data by the agent, and the channel is made anew after a pause.
//
// Memory is registered for one call and not kept registered for the next: the application may unmap it in between and map
// something else at its address, and nobody would tell us, so that a network card would go on using the old pages. The
// libraries that drive such cards (libfabric's verbs provider, UCX) watch for that and keep their own caches below the
// call that registers; those in software have nothing to register.
//
// Ownership: attached to its loop, which destroys it; shares the session's state. Threading: owner thread (the loop's).
#pragma once

#include <absl/container/flat_hash_map.h>
#include <sys/types.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/units.h"
#include "client/call_line.h"
#include "client/direct_channel.h"
#include "client/session_state.h"
#include "fabric/endpoint.h"
#include "runtime/loop.h"

namespace ross::client {

class Lane final : public runtime::Loop::Attachment, private fabric::Receiver, private DirectChannel::User {
 public:
  static constexpr std::int64_t kConnectNs = 30'000'000'000;
  static constexpr std::size_t kSpareBytesMin = 64 * kKiB;

  // The lane of a session on a loop, made if there is none.
  static Lane& of(const std::shared_ptr<SessionState>& session, runtime::Loop& loop);
  Lane(std::shared_ptr<SessionState> session, runtime::Loop& loop);
  // The one that brings the session back: it goes where it is told, and what it loses is lost.
  Lane(std::shared_ptr<SessionState> session, runtime::Loop& loop, Place place);
  ~Lane() override;

  // Begins to connect, if it has not. Done when connecting() is false.
  void connect(std::int64_t deadline_ns);
  // Begins to end: it may be destroyed without waiting once it is settled. Without calls.
  void close();
  // Of a session that has ended: its calls end, and its loop lets go of it.
  void retire();
  [[nodiscard]] bool connecting() const { return state_ == State::kConnecting || state_ == State::kGreeting; }
  // Why it is not connected.
  [[nodiscard]] const Status& why() const { return why_; }
  [[nodiscard]] bool open() const { return state_ == State::kOpen; }

  // Begins to make the channel past the agent, if that has not been tried; true: the outcome is to come.
  bool tries_directly();

  // co_await lane.settled(): until it has connected, or has not, or has ended; outside of its callbacks. By one at a time.
  auto settled() {
    struct Awaiter {
      Lane& lane;
      [[nodiscard]] bool await_ready() const { return lane.is_settled(); }
      void await_suspend(std::coroutine_handle<> handle) { lane.settled_turn_.handle = handle; }
      void await_resume() noexcept {}
    };
    return Awaiter{*this};
  }

  // co_await lane.answer(call): until the call has its answer or its error.
  auto answer(Call& call) {
    struct Awaiter {
      Lane& lane;
      Call& call;
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> handle) {
        call.handle = handle;
        return lane.submit(call);
      }
      void await_resume() noexcept {}
    };
    return Awaiter{*this, call};
  }

 private:
  enum class State : std::uint8_t { kNew, kConnecting, kGreeting, kOpen, kClosing, kLost, kClosed };
  struct Dial : fabric::Connecting {
    Lane* lane = nullptr;
  };
  struct Greeting : fabric::Outgoing {};
  struct Ping : fabric::Outgoing {
    bool under_way = false;  // the channel has it, or the answer is to come
  };
  struct Turn : runtime::Message {
    Lane* lane = nullptr;
    bool posted = false;
  };
  struct SettledTurn : runtime::Message {
    std::coroutine_handle<> handle;  // who waits
    bool posted = false;
  };
  [[nodiscard]] bool is_settled() const;
  void settle();
  bool submit(Call& call);
  void connected(Result<std::unique_ptr<fabric::Channel>> channel);
  Status welcomed(std::span<const std::byte> head, std::size_t payload_bytes);
  void failed(Status why);
  void pump();
  [[nodiscard]] bool has_room(const Call& call) const;
  bool give_slot(Call& call);
  void take_back_slot(Call& call);
  void send(Call& call);
  bool expose(Call& call, fabric::Endpoint& endpoint, const fabric::Channel& channel);
  void revoke(Call& call);
  void is_done(Call& call);
  void out_of_flight(const Call& call);
  void finish(Call& call);
  void watch();
  void look_after();
  // lane_direct.cc
  enum class Direct : std::uint8_t { kUntried, kTrying, kTried };
  [[nodiscard]] bool may_go_directly(const Call& call) const;
  bool waits_for_direct(Call& call);
  void begin_direct();
  runtime::Task<Status> make_direct();
  void direct_is_made(const Status& status);
  void direct_failed(const Status& why);
  void release_direct_waiters();
  void close_direct();
  bool expose_directly(Call& call);
  bool replied_directly(Call& call);
  void send_again(Call& call);
  void put_back(Call& call);
  void watch_landing();
  [[nodiscard]] bool direct_is_over() const;
  void on_landed(std::uint64_t ticket) override;
  void on_direct_closed(const Status& why) override;
  void end_if_over();
  // lane_loss.cc
  [[nodiscard]] bool comes_back() const;
  void lose(const Status& why);
  void come_back();
  void take_back_calls();
  void fail_all();
  void end_soon();
  [[nodiscard]] Status gone() const;
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override;
  Status on_message() override;
  void on_closed(const Status& why) override;

  const std::shared_ptr<SessionState> session_;  // by all lanes and the session
  runtime::Loop& loop_;
  const bool recovers_ = false;  // this lane brings the session back
  std::unique_ptr<fabric::Endpoint> endpoint_;
  std::unique_ptr<fabric::Channel> channel_;
  State state_ = State::kNew;
  bool ending_ = false;
  Status why_;
  Place place_;  // where it connected last
  Dial dial_;
  Greeting greeting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // watched by timers
  std::size_t inline_bytes_max_ = 0;
  std::uint32_t inflight_max_ = 0;
  std::uint64_t inflight_bytes_max_ = 0;

  absl::flat_hash_map<std::uint64_t, Call*> calls_;  // sent and not answered
  CallLine waiting_;                                 // for room in flight
  CallLine waiting_direct_;                          // for the outcome of the first try to get past the agent
  CallLine waiting_locks_;                           // for room among the waits for locks, which hold nobody else up
  Call* landing_ = nullptr;                          // the call whose reply is coming in
  std::vector<memory::Span> landing_spans_;
  std::vector<std::uint16_t> slots_;  // not in use
  std::size_t slots_held_ = 0;
  std::uint32_t inflight_ = 0;
  std::uint64_t inflight_bytes_ = 0;
  std::uint32_t lock_waits_ = 0;
  Ping ping_;
  bool watching_ = false;
  std::uint64_t heard_ = 0;  // messages
  std::uint64_t heard_then_ = 0;
  int quiet_looks_ = 0;
  DirectChannel direct_{loop_, *this};
  Direct direct_state_ = Direct::kUntried;
  bool offers_direct_ = false;  // the server, as it welcomed us
  bool making_direct_ = false;  // a try is under way, or about to be
  std::uint64_t welcomes_ = 0;
  std::uint64_t direct_welcome_ = 0;  // of the connection that a try is for
  std::int64_t direct_again_ns_ = 0;
  std::int64_t direct_pause_ns_ = 0;
  absl::flat_hash_map<std::uint64_t, Call*> tickets_;  // of calls whose windows are on that channel
  std::uint64_t next_ticket_ = 1;
  std::uint32_t landings_awaited_ = 0;  // calls that have their reply
  std::uint64_t landed_ = 0;            // words
  bool watches_landing_ = false;
  const Call* reach_call_ = nullptr;  // the lane's own
  Turn direct_turn_;
  Turn end_turn_;
  Turn back_turn_;
  SettledTurn settled_turn_;
  bool waits_for_recovery_ = false;
};

}  // namespace ross::client
