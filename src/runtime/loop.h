// Loop: one thread's reactor. Completions, messages from other threads and timers run here and nowhere else.
//
// A loop is driven by calling it: a daemon's core thread calls run(), a program that uses ROSS as a library drives
// the loop of its thread or of its event queue inside its own calls. Progress happens only inside poll(),
// wait(), run() and block_on(). It spins briefly while busy, then sleeps in the kernel: an idle loop uses no CPU.
//
// The io_uring is made when first asked for, so loops over memory devices or simulated ones have none.
// With a simulated clock, a loop with nothing to do jumps to its next timer instead of sleeping.
//
// Ownership: the loop borrows every Completion, Message and Timer from submit until it has run it.
// Threading: owner thread; post() and stop() from any thread. The owner is whoever drives the loop; it may change
// between calls, never during one. The kernel finishes an operation on the thread that submitted it: should that one
// compute on without a system call after it handed the loop over, completions can be late by a timer tick.
#pragma once

#include <liburing.h>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "runtime/task.h"

namespace ross::runtime {

// One submitted operation on the ring. done runs exactly once, on the loop, with the kernel's result
// (bytes, or a negative errno).
struct Completion {
  void (*done)(Completion& self, int result) = nullptr;
};

// Work handed to a loop from any thread; runs exactly once, in order of posting per sender.
struct Message {
  void (*run)(Message& self) = nullptr;
  Message* next = nullptr;
};

// A source of work that is looked at rather than run by the kernel: a ring in shared memory, a library's completion
// queue, a set of sockets. The loop looks at it in every pass, and asks before it sleeps.
//
// Ownership: the loop borrows it from add() to remove(). Threading: owner thread (the loop's).
class Poller {
 public:
  // One look without blocking: does what there is to do and returns how many things that were. It may add and remove
  // pollers, itself included.
  virtual std::size_t poll() = 0;
  // Asked before the loop sleeps: for how long it may. 0: not at all, there is something to do. kUntilReadable: until fd()
  // is readable, which from now on happens when there is something to do. Anything between is for sources that
  // cannot tell, or that have a time of their own to keep.
  virtual std::int64_t arm() = 0;
  // The sleep is over, or was called off.
  virtual void disarm() {}
  // Readable while there is something to do, once armed; -1 for a source that cannot tell. Does not change while added.
  [[nodiscard]] virtual int fd() const { return -1; }

  static constexpr std::int64_t kUntilReadable = INT64_MAX;

 protected:
  ~Poller() = default;
};

class Loop {
 public:
  struct Options {
    Clock* clock = &system_clock();
    unsigned ring_entries = 256;  // a full ring is submitted, then filled again
    // Entries go to the kernel in pieces of this many, so that the device works on the first while the later ones are
    // made. The kernel holds back the start of larger pieces until their end (its block layer plugs above two).
    unsigned submit_batch = 2;
    // How long wait() polls before it sleeps: at first and after long waits, and at most. In between it learns: who is called
    // soon after falling asleep would have been cheaper off awake.
    std::int64_t spin_ns = 20'000;
    std::int64_t spin_ns_max = 250'000;
  };

  static Result<std::unique_ptr<Loop>> create(Options options);
  static Result<std::unique_ptr<Loop>> create() { return create(Options{}); }
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The loop being driven by this thread, or null.
  static Loop* current();

  // Hands work to this loop from any thread and wakes it if it sleeps. The work may run, and even end the loop, before
  // the call returns: the loop is not touched once it has the message.
  void post(Message& message);

  // One pass without blocking. Returns how many things ran.
  std::size_t poll();
  // Runs something, or sleeps until something can run, deadline_ns (monotonic) passes or stop() was called. Returns how
  // many ran. What they queued on the ring goes to the kernel with the next call.
  std::size_t wait(std::int64_t deadline_ns = INT64_MAX) { return drive(deadline_ns, true); }
  // Drives the loop until stop().
  void run();
  // From any thread; the loop outlives the call.
  void stop();

  // Drives the loop until the task is done, also after stop(). Not from inside the loop.
  template <class T>
  T block_on(Task<T> task);

  // Makes a coroutine's code run on this loop: starts it here, as if polled.
  template <class T, class Done>
  void start(Task<T> task, Done&& done) {
    Scope scope(*this);
    spawn(std::move(task), std::forward<Done>(done));
  }

  // Looks at poller in every pass from now on. Errors: those of watching its descriptor (EMFILE, ENOMEM).
  Status add(Poller& poller);
  void remove(Poller& poller);

  // Something of this loop's own, kept under a key until it is detached or the loop ends: a connection, say. What is
  // attached is destroyed while the loop can still be driven.
  class Attachment {
   public:
    virtual ~Attachment() = default;
  };
  // Null when there is none.
  [[nodiscard]] Attachment* attachment(const void* key) const;
  void attach(const void* key, std::unique_ptr<Attachment> attachment);
  void detach(const void* key);

  // Calls run at monotonic_ns or as soon after as the loop is polled.
  void at(std::int64_t monotonic_ns, std::function<void()> run);
  // co_await loop.sleep_until(t)
  auto sleep_until(std::int64_t monotonic_ns);

  // Whether the thread is inside block_on: it waits for one task, so that task may block the thread outright.
  [[nodiscard]] bool blocking() const { return blocking_ > 0; }

  [[nodiscard]] Clock& clock() const { return *options_.clock; }

  // The ring, made at the first call. Queue entries with next_sqe(); they are submitted in pieces of
  // submit_batch, and the rest by the next poll() or wait().
  Result<io_uring*> ring();
  // A free submission entry whose completion goes to completion. May submit the entries handed out before, which must be
  // complete. Never null after ring() succeeded: it fails only by ROSS_CHECK, because the queue empties on submit.
  io_uring_sqe* next_sqe(Completion& completion);
  [[nodiscard]] unsigned ring_inflight() const { return ring_inflight_; }

  // Sets the calling thread's current loop for a scope.
  class Scope {
   public:
    explicit Scope(Loop& loop);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Loop* const previous_;
  };

 private:
  explicit Loop(Options options) : options_(options), spin_ns_(options.spin_ns) {}
  std::size_t drive(std::int64_t deadline_ns, bool heed_stop);
  std::size_t run_ready();
  std::size_t run_messages();
  std::size_t run_completions();
  std::size_t run_timers();
  std::size_t run_pollers();
  bool sleep_until_event(std::int64_t deadline_ns, bool heed_stop);
  void learn_from(std::int64_t waited_ns);
  // How a sleep ended: by its time or not, and whether the wake-up's descriptor is known to be readable.
  struct Wake {
    bool called = false;
    bool readable = false;
  };
  Wake sleep_in_kernel(std::int64_t left_ns);
  Status watch_descriptors();
  void arm_wakeup();
  void take_wakeup();
  void drop_wakeup();
  io_uring_sqe* free_sqe();
  [[nodiscard]] bool has_queued() const { return has_ring_ && io_uring_sq_ready(&ring_) > 0; }
  [[nodiscard]] bool kernel_holds_completions() const;
  void enter_kernel();

  const Options options_;
  int wakeup_fd_ = -1;
  // An epoll of the wake-up's descriptor and those of pollers, made with the first of these; -1 until then.
  int watch_fd_ = -1;
  // any thread
  std::atomic<Message*> messages_{nullptr};  // newest first
  std::atomic<bool> stopped_{false};
  // owner thread
  io_uring ring_{};
  bool has_ring_ = false;
  int blocking_ = 0;
  std::int64_t spin_ns_;       // from here on, between the two of the options
  int armed_fd_ = -1;          // what the ring polls to wake a sleeper
  bool wakeup_taken_ = false;  // read already, before the ring told of it
  unsigned ring_inflight_ = 0;
  std::multimap<std::int64_t, std::function<void()>> timers_;
  std::vector<std::pair<const void*, std::unique_ptr<Attachment>>> attachments_;
  std::vector<Poller*> pollers_;  // null: removed during a pass over them
  bool in_pollers_ = false;
};

template <class T>
T Loop::block_on(Task<T> task) {
  std::optional<T> result;
  ++blocking_;
  start(std::move(task), [&result](T value) { result.emplace(std::move(value)); });
  while (!result) drive(INT64_MAX, false);
  --blocking_;
  return *std::move(result);
}

inline auto Loop::sleep_until(std::int64_t monotonic_ns) {
  struct Awaiter {
    Loop& loop;
    std::int64_t at_ns;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      loop.at(at_ns, [handle] { handle.resume(); });
    }
    void await_resume() noexcept {}
  };
  return Awaiter{*this, monotonic_ns};
}

}  // namespace ross::runtime
