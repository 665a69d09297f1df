// Recovery: brings a session back whose connections were cut, or whose server was started anew.
//
// The first lane that loses its connection starts a coroutine, which asks the control plane for the session until it is there
// again. It has a loop and a thread of its own; in a simulation it runs on the loop of all. A server that still has it answers with the same token. One that was started anew knows it from its store: then what
// the session held (holdings.h) is opened and locked again under the numbers it had. After that the lanes connect and send again
// what had no answer; the server knows by slot and id what it did already. Nobody who calls sees more than a pause. After
// `patience_ns` without an answer, or when the server does not know the session any more, every call ends with an error that says so.
//
// Ownership: of the session's state. Threading: any thread; stop() before the last reference to the state goes, and not from
// inside the loop it was given.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"
#include "client/holdings.h"
#include "runtime/loop.h"
#include "runtime/sync.h"
#include "runtime/task.h"
#include "wire/message.h"

namespace ross::client {

class Lane;
struct SessionState;

// Where a session is to be had.
struct Place {
  std::string address;  // in the fabric's form
  wire::Token token{};
  // Grows with each try to bring it back: what an earlier one, also one that failed, has left on its way is refused.
  std::uint32_t generation = 0;
};

class Recovery {
 public:
  struct Found {
    std::string address;
    wire::Token token{};
    bool resumed = false;  // the server has all that the session held
  };
  // Asks for the session, once, until the deadline at most; may block, having the thread for itself. ESTALE: nobody knows it any
  // more. EACCES, EPERM, ENOENT, EPROTO: it is not to be had. Every other error is worth another try.
  using Ask = std::function<runtime::Task<Result<Found>>(std::int64_t deadline_ns)>;

  struct Options {
    std::int64_t patience_ns = 60'000'000'000;  // for so long calls wait for a server that is away
    std::int64_t quiet_ns =
        5'000'000'000;  // a server that is silent for so long is asked; three times, and it is given up
    runtime::Loop* loop =
        nullptr;  // simulation: that it runs on, driven by the caller; null: a thread drives one of its own
  };
  // own_loop: for its thread; null with options.loop.
  Recovery(SessionState& state, Ask ask, const Options& options, std::unique_ptr<runtime::Loop> own_loop);
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  // A lane of this generation is without its connection. wake is posted to its loop when the session is back, or never
  // comes back.
  void lost(std::uint32_t generation, runtime::Loop& loop, runtime::Message& wake, const Status& why);
  // Takes wake back; false: it has been posted already.
  bool cancel(const runtime::Message& wake);
  // A server has answered: the outage is over.
  void heard() {
    trouble_.store(false, std::memory_order_relaxed);
    heard_.store(true, std::memory_order_relaxed);
  }
  [[nodiscard]] bool in_trouble() const { return trouble_.load(std::memory_order_relaxed); }
  [[nodiscard]] const Options& options() const { return options_; }
  // Why the session never comes back; ok while it may.
  [[nodiscard]] Status over();
  // Ends what is under way; what is lost from now on stays lost.
  void stop();
  // The same from inside a loop, which goes on meanwhile.
  runtime::Task<Status> end();

 private:
  struct Waiter {
    runtime::Loop* loop;
    runtime::Message* wake;
  };
  struct Begin : runtime::Message {
    Recovery* recovery = nullptr;
  };
  using Work = runtime::Task<Status>;
  // recovery.cc
  void start();
  Work run();
  void told(std::uint32_t generation, const Status& outcome, std::int64_t end_ns);
  Work pause(std::unique_lock<std::mutex>& lock, std::int64_t pause_ns);
  [[nodiscard]] bool running();
  // bring_back.cc: one try.
  Work bring_back(std::uint32_t generation, std::int64_t deadline_ns);
  Work reclaim(const Holdings::List& held);
  Work ask_server(const wire::Request& request);
  Work let_go();

  SessionState& state_;
  const Ask ask_;
  const Options options_;
  const std::unique_ptr<runtime::Loop> own_loop_;  // null: options_.loop it is
  runtime::Loop& loop_;
  std::atomic<bool> trouble_{false};  // from a loss until a server answers a call
  std::atomic<bool> heard_{false};    // since the last try

  // owner thread (that of loop_)
  Begin begin_;
  // Its own connection: through it the session is brought back, and while it stands the session has one, however idle its
  // lanes are.
  std::unique_ptr<Lane> anchor_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // watched by timers

  std::mutex mutex_;
  // guarded by mutex_
  runtime::WaitQueue changed_;
  bool running_ = false;  // from the first loss on
  bool told_ = false;     // a person waits
  std::uint32_t tries_ = 0;
  std::uint32_t generation_ = 0;  // of the last try that succeeded
  bool down_ = false;
  bool stopping_ = false;
  std::int64_t since_ns_ = 0;  // of the outage
  Status over_;
  std::vector<Waiter> waiters_;
  std::thread thread_;  // made at the first loss, unless it has no loop of its own
};

}  // namespace ross::client
