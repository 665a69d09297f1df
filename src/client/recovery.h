// Recovery: brings a session back whose connections were cut, or whose server was started anew.
//
// The first lane that loses its connection wakes a thread, which asks the control plane for the session until it is there
// again. A server that still has it answers with the same token. One that was started anew knows it from its store: then what
// the session held (holdings.h) is opened and locked again under the numbers it had. After that the lanes connect and send again
// what had no answer; the server knows by slot and id what it did already. Nobody who calls sees more than a pause. After
// `patience_ns` without an answer, or when the server does not know the session any more, every call ends with an error that says so.
//
// Ownership: of the session's state. Threading: any thread; stop() before the last reference to the state goes.
#pragma once

#include <atomic>
#include <condition_variable>
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
#include "wire/message.h"

namespace ross::client {

struct SessionState;

// Where a session is to be had.
struct Place {
  std::string address;  // in the fabric's form
  wire::Token token{};
  std::uint32_t generation = 0;  // how often it was brought back
};

class Recovery {
 public:
  struct Found {
    std::string address;
    wire::Token token{};
    bool resumed = false;  // the server has all that the session held
  };
  // Asks for the session, once, blocking until the deadline at most. ESTALE: nobody knows it any more. EACCES, EPERM,
  // ENOENT, EPROTO: it is not to be had. Every other error is worth another try.
  using Ask = std::function<Result<Found>(std::int64_t deadline_ns)>;

  struct Options {
    std::int64_t patience_ns = 60'000'000'000;  // for so long calls wait for a server that is away
    std::int64_t quiet_ns =
        5'000'000'000;  // a server that is silent for so long is asked; three times, and it is given up
  };
  Recovery(SessionState& state, Ask ask, const Options& options);
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

 private:
  struct Waiter {
    runtime::Loop* loop;
    runtime::Message* wake;
  };
  // The thread's own connection: through it the session is brought back, and while it stands the session has one, however
  // idle its lanes are.
  struct Anchor;
  void run();
  // One try.
  Status bring_back(std::uint32_t generation, std::int64_t deadline_ns, std::unique_ptr<Anchor>& anchor);
  static Status reclaim(Anchor& anchor, const Holdings::List& held);

  SessionState& state_;
  const Ask ask_;
  const Options options_;
  std::atomic<bool> trouble_{false};  // from a loss until a server answers a call
  std::atomic<bool> heard_{false};    // since the last try

  std::mutex mutex_;
  std::condition_variable changed_;
  // guarded by mutex_
  std::uint32_t generation_ = 0;
  bool down_ = false;
  bool stopping_ = false;
  std::int64_t since_ns_ = 0;  // of the outage
  Status over_;
  std::vector<Waiter> waiters_;
  std::thread thread_;  // made at the first loss
};

}  // namespace ross::client
