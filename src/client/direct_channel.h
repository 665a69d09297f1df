// DirectChannel: a lane's channel to the server behind the one it talks to, for transfers alone (decisions/0013).
//
//   Status why = co_await direct.make(reach, ways);     // open() if ok
//   endpoint->expose({.only_for = &direct.channel()});  // and the request names direct.name() and a ticket
//   ...                                                 // user.on_landed(ticket), user.on_direct_closed()
//   direct.close();
//
// Nothing is ever asked on it. It may be made again when it has ended.
// Ownership: the lane's. Threading: owner thread (the loop's).
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "client/reaching.h"
#include "fabric/endpoint.h"
#include "runtime/loop.h"
#include "runtime/task.h"

namespace ross::client {

class DirectChannel final : private fabric::Receiver {
 public:
  class User {
   public:
    // All that was put for this ticket is there.
    virtual void on_landed(std::uint64_t ticket) = 0;
    // One that was open has ended: nothing is read or written by it any more.
    virtual void on_direct_closed(const Status& why) = 0;

   protected:
    ~User() = default;
  };
  // Of one way: a network that swallows what is sent there holds up the calls that wait for the outcome.
  static constexpr std::int64_t kTryNs = 2'000'000'000;

  DirectChannel(runtime::Loop& loop, User& user) : loop_(loop), user_(user) {}
  ~DirectChannel() = default;

  // By the first of the ways that works. Not while there is one, or one is being made.
  runtime::Task<Status> make(wire::Token token, std::vector<ReachableBy> ways);
  // It ends, or is not made.
  void close();
  // In a child of fork(): the descriptors are the parent's as well.
  void abandon();

  [[nodiscard]] bool open() const { return state_ == State::kOpen; }
  // Neither open, nor on its way there or to its end.
  [[nodiscard]] bool idle() const { return state_ == State::kIdle; }
  [[nodiscard]] fabric::Endpoint& endpoint() { return *endpoint_; }
  [[nodiscard]] fabric::Channel& channel() { return *channel_; }
  // What the server calls it.
  [[nodiscard]] std::uint64_t name() const { return name_; }
  // "tcp at 10.0.0.7:7471"
  [[nodiscard]] const std::string& way() const { return way_; }
  // Its server writes to this process's memory itself; no network is in between.
  [[nodiscard]] bool within_machine() const { return within_machine_; }

 private:
  enum class State : std::uint8_t { kIdle, kMaking, kGreeting, kOpen, kClosing };
  struct Greeting : fabric::Outgoing {};
  struct Turn : runtime::Message {
    std::coroutine_handle<> handle;
    bool posted = false;
  };

  runtime::Task<Status> try_way(const wire::Token& token, const ReachableBy& by);
  // Until the welcome, or the end.
  auto greeted();
  void wake();
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override;
  Status on_message() override;
  void on_closed(const Status& why) override;

  runtime::Loop& loop_;
  User& user_;
  State state_ = State::kIdle;
  bool unwanted_ = false;
  Status why_;
  std::uint64_t name_ = 0;
  std::uint64_t landed_ = 0;  // the ticket of the word that is coming in
  std::string way_;
  bool within_machine_ = false;
  Greeting greeting_;
  Turn turn_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // watched by timers
  std::unique_ptr<fabric::Endpoint> endpoint_;
  std::unique_ptr<fabric::Channel> channel_;
};

}  // namespace ross::client
