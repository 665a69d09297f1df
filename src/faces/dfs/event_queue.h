// EventQueue: a daos event queue, which is a loop with a list of what runs on it and what completed.
//
// Calls with an event start on the queue's loop and complete inside poll(), test() or a later launch: nothing runs
// behind the program's back. Several threads may use one queue; one of them drives the loop at a time ("driven"), the
// others hand it their work by message or wait for it to leave. An event keeps its state in its private words, so a
// small operation allocates nothing and takes the queue's mutex twice: to launch and to be polled.
//
//   queue.launch(event, [](daos_event_t& ev) { ... start a task whose end calls complete(ev, result) ... });
//   queue.poll(true, DAOS_EQ_WAIT, events);
//
// Ownership: events are the program's and stay in place while they run. Threading: any thread; complete() on the loop.
#pragma once

#include <daos_event.h>
#include <daos_fs.h>

#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <span>

#include "base/status.h"
#include "runtime/loop.h"

namespace ross::dfs {

struct Object;
class EventQueue;

// What a read or write was called with, kept until it starts.
struct IoArguments {
  Object* object;
  d_sg_list_t* list;
  union {
    std::uint64_t offset_bytes;
    const dfs_iod_t* ranges;  // when EventWords::has_ranges
  };
  daos_size_t* bytes_done;  // where the count goes; may be null for a write
};

// The private words of a daos_event_t.
struct EventWords : runtime::Message {
  static constexpr std::uint32_t kMagic = 0x52455654;
  static constexpr int kCallbacksMax = 2;
  struct Callback {
    daos_event_comp_cb_t call;
    void* argument;
  };

  std::uint32_t magic;
  std::uint8_t state;       // daos_ev_status_t
  std::uint8_t callbacks;   // how many
  bool polled : 1;          // daos_eq_poll returns it: it is in a queue of the program's and no child
  bool listed : 1;          // in a list of the queue
  bool has_ranges : 1;      // which member of io is meant
  bool barrier_passed : 1;  // a parent that completes with its last child
  std::uint64_t queue;      // its cookie
  EventQueue* on;           // while it runs
  void (*start)(daos_event_t& ev);
  daos_event_t* parent;
  daos_event_t* next;
  daos_event_t* previous;
  daos_event_t* first_child;
  daos_event_t* next_sibling;
  std::uint32_t children;
  std::uint32_t children_done;
  union {
    IoArguments io;
    int result;  // of a call that was over before its event was launched
  };
  Callback callback[kCallbacksMax];
};
static_assert(sizeof(EventWords) <= sizeof(daos_event_t::ev_private), "the event's private words are all there is");

inline EventWords& words_of(daos_event_t& ev) {
  return *std::launder(static_cast<EventWords*>(static_cast<void*>(&ev.ev_private)));
}
// Whether daos_event_init made it; the memory may hold anything.
inline bool is_event(daos_event_t* ev) {
  if (ev == nullptr) return false;
  std::uint32_t magic;
  std::memcpy(&magic, &words_of(*ev).magic, sizeof magic);
  return magic == EventWords::kMagic;
}

class EventQueue {
 public:
  static Result<std::unique_ptr<EventQueue>> create();
  ~EventQueue();

  using Start = void (*)(daos_event_t& ev);
  // Marks the event running and runs start(ev) on the loop, now or at the next poll. -DER_BUSY if it runs already.
  template <class Prepare>
  int launch(daos_event_t& ev, Prepare&& prepare, Start start);
  // On the loop: the event's call has ended. Runs its callbacks.
  void complete(daos_event_t& ev, int result);
  // For calls that are over before they return.
  int launch_completed(daos_event_t& ev, int result);

  // How many events went to events, or -DER_*. timeout_us as in daos_eq_poll.
  int poll(bool wait_running, std::int64_t timeout_us, std::span<daos_event_t*> events);
  int query(daos_eq_query_t query, std::span<daos_event_t*> events);
  // Whether the event completed, waiting up to timeout_us; it then leaves the queue.
  int test(daos_event_t& ev, std::int64_t timeout_us, bool& completed);
  int barrier(daos_event_t& parent);
  int add_child(daos_event_t& parent, daos_event_t& child);
  // Lets go of an event that does not run: -DER_BUSY if it does.
  int forget(daos_event_t& ev);
  int next_child(daos_event_t& parent, daos_event_t* child, daos_event_t*& next);
  [[nodiscard]] bool idle();
  // Drives the loop until nothing runs, then forgets what completed.
  void drain();

  [[nodiscard]] runtime::Loop& loop() { return *loop_; }

 private:
  struct List {
    daos_event_t* first = nullptr;
    daos_event_t* last = nullptr;
    std::size_t count = 0;
    void push_back(daos_event_t& ev);
    void remove(daos_event_t& ev);
  };

  // How long what is started waits for the program to take what completed.
  static constexpr std::int64_t kGatherNs = 20'000;
  // A program that asks again within kAtOnceNs has nothing else to do. Where its waits are longer than kLongNs it sleeps, up to kRestNs
  // at a time: to be woken costs both sides tens of microseconds, to stay awake costs a processor.
  static constexpr std::int64_t kAtOnceNs = 5'000;
  static constexpr std::int64_t kLongNs = 100'000;
  static constexpr std::int64_t kRestNs = 1'000'000;
  static constexpr std::int64_t kSpinNs = 5'000;
  static constexpr std::int64_t kSpinNsMax = 50'000;

  explicit EventQueue(std::unique_ptr<runtime::Loop> loop) : loop_(std::move(loop)) {}
  int begin(std::unique_lock<std::mutex>& lock, daos_event_t& ev, Start start);
  void settle();
  void leave();
  enum class Progress { kMade, kNone, kInside };
  Progress progress(std::unique_lock<std::mutex>& lock, bool may_sleep, std::int64_t deadline_ns);
  void rest(std::unique_lock<std::mutex>& lock);
  int harvest(std::span<daos_event_t*> events);

  const std::unique_ptr<runtime::Loop> loop_;
  std::mutex mutex_;
  std::condition_variable left_;  // the driving thread left, with what completed settled
  // guarded by mutex_
  bool driven_ = false;
  unsigned waiting_threads_ = 0;
  List running_;
  List completed_;
  std::int64_t look_at_ns_ = 0;      // when the loop is looked at though something has completed
  std::int64_t waits_since_ns_ = 0;  // when a program that asks in vain began to; 0: none does
  std::int64_t waits_ns_ = 0;        // how long that takes, lately
  // the driving thread
  runtime::Message* ended_ = nullptr;  // completed in this drive, newest first, linked through Message::next
};

template <class Prepare>
int EventQueue::launch(daos_event_t& ev, Prepare&& prepare, Start start) {
  std::unique_lock lock(mutex_);
  if (words_of(ev).state == DAOS_EVS_RUNNING) return -DER_BUSY;
  prepare(words_of(ev));
  return begin(lock, ev, start);
}

}  // namespace ross::dfs
