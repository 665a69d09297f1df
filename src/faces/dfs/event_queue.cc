// One mutex guards the lists; one thread at a time drives the loop, without the mutex. Whatever completes during a drive
// is put on ended_, which is the driver's alone, and moved to the lists ("settled") when the driver takes the mutex
// again: so a batch of completions costs one lock, and callbacks run without any.
#include "faces/dfs/event_queue.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "base/clock.h"

namespace ross::dfs {
namespace {

daos_event_t& event_of(runtime::Message& message) {
  auto* words = reinterpret_cast<std::byte*>(&static_cast<EventWords&>(message));
  return *reinterpret_cast<daos_event_t*>(words - offsetof(daos_event_t, ev_private));
}

std::int64_t deadline_after(std::int64_t timeout_us) {
  if (timeout_us < 0) return INT64_MAX;
  const std::int64_t now = system_clock().monotonic_ns();
  return timeout_us > (INT64_MAX - now) / 1000 ? INT64_MAX : now + timeout_us * 1000;
}

}  // namespace

void EventQueue::List::push_back(daos_event_t& ev) {
  EventWords& words = words_of(ev);
  words.next = nullptr;
  words.previous = last;
  words.listed = true;
  (last == nullptr ? first : words_of(*last).next) = &ev;
  last = &ev;
  ++count;
}

void EventQueue::List::remove(daos_event_t& ev) {
  EventWords& words = words_of(ev);
  (words.previous == nullptr ? first : words_of(*words.previous).next) = words.next;
  (words.next == nullptr ? last : words_of(*words.next).previous) = words.previous;
  words.listed = false;
  --count;
}

Result<std::unique_ptr<EventQueue>> EventQueue::create() {
  ROSS_TRY(auto loop, runtime::Loop::create({.spin_ns = kSpinNs, .spin_ns_max = kSpinNsMax}));
  return std::unique_ptr<EventQueue>(new EventQueue(std::move(loop)));
}

EventQueue::~EventQueue() { ROSS_CHECK(running_.count == 0, "an event queue was destroyed with events running"); }

int EventQueue::begin(std::unique_lock<std::mutex>& lock, daos_event_t& ev, Start start) {
  EventWords& words = words_of(ev);
  words.state = DAOS_EVS_RUNNING;
  words.on = this;
  running_.push_back(ev);
  const bool inside = runtime::Loop::current() == loop_.get();  // called from a callback of this loop
  if (driven_ && !inside) {
    words.start = start;
    words.run = [](runtime::Message& message) {
      daos_event_t& launched = event_of(message);
      words_of(launched).start(launched);
    };
    loop_->post(words);  // the driver may be asleep: this wakes it
    return 0;
  }
  driven_ = true;
  lock.unlock();
  {
    const runtime::Loop::Scope scope(*loop_);
    start(ev);
  }
  if (!inside) leave();
  return 0;
}

void EventQueue::leave() {
  const std::lock_guard lock(mutex_);
  settle();
  driven_ = false;
  if (waiting_threads_ > 0) left_.notify_all();
}

// With the mutex: what ended becomes visible, in the order it ended.
void EventQueue::settle() {
  runtime::Message* in_order = nullptr;
  while (ended_ != nullptr) {
    runtime::Message* const message = std::exchange(ended_, ended_->next);
    message->next = std::exchange(in_order, message);
  }
  while (in_order != nullptr) {
    daos_event_t& ev = event_of(*std::exchange(in_order, in_order->next));
    EventWords& words = words_of(ev);
    running_.remove(ev);
    words.state = DAOS_EVS_COMPLETED;
    if (words.polled) completed_.push_back(ev);
  }
}

void EventQueue::complete(daos_event_t& ev, int result) {
  EventWords& words = words_of(ev);
  for (int i = 0; i < words.callbacks; ++i) {
    result = words.callback[i].call(words.callback[i].argument, &ev, result);
  }
  ev.ev_error = result;
  daos_event_t* const parent = words.parent;
  static_cast<runtime::Message&>(words).next = std::exchange(ended_, &words);
  if (parent == nullptr) return;
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    EventWords& family = words_of(*parent);
    if (parent->ev_error == 0) parent->ev_error = result;
    last = ++family.children_done == family.children && family.barrier_passed;
  }
  if (last) complete(*parent, parent->ev_error);
}

int EventQueue::launch_completed(daos_event_t& ev, int result) {
  return launch(
      ev, [result](EventWords& words) { words.result = result; },
      [](daos_event_t& launched) {
        EventWords& words = words_of(launched);
        words.on->complete(launched, words.result);
      });
}

// One round of progress, or of waiting for the thread that makes it. kNone: neither was possible before the deadline.
EventQueue::Progress EventQueue::progress(std::unique_lock<std::mutex>& lock, bool may_sleep,
                                          std::int64_t deadline_ns) {
  if (runtime::Loop::current() == loop_.get()) return Progress::kInside;
  if (driven_) {
    if (!may_sleep) return Progress::kNone;
    ++waiting_threads_;
    bool left = true;
    if (deadline_ns == INT64_MAX) {
      left_.wait(lock);
    } else {
      const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(deadline_ns)};
      left = left_.wait_until(lock, until) == std::cv_status::no_timeout;
    }
    --waiting_threads_;
    return left ? Progress::kMade : Progress::kNone;
  }
  driven_ = true;
  lock.unlock();
  const std::size_t ran = may_sleep ? loop_->wait(deadline_ns) : loop_->poll();
  lock.lock();
  settle();
  driven_ = false;
  if (waiting_threads_ > 0) left_.notify_all();
  return ran > 0 ? Progress::kMade : Progress::kNone;
}

// Programs ask in a loop until something has completed. Whoever shares this core goes first: it may be the server that they wait
// for. Who asks this queue and nothing else, time and again, sleeps if that takes long.
void EventQueue::rest(std::unique_lock<std::mutex>& lock) {
  struct Asked {
    const EventQueue* queue = nullptr;
    std::int64_t at_ns = 0;
  };
  thread_local Asked last;
  const std::int64_t now_ns = system_clock().monotonic_ns();
  const bool goes_on = last.queue == this && now_ns - last.at_ns <= kAtOnceNs;
  if (!goes_on || waits_since_ns_ == 0) waits_since_ns_ = now_ns;
  if (goes_on && !driven_ && std::max(waits_ns_, now_ns - waits_since_ns_) > kLongNs) {
    progress(lock, true, now_ns + kRestNs);
  } else {
    lock.unlock();
    sched_yield();
    lock.lock();
  }
  last = {this, system_clock().monotonic_ns()};
}

int EventQueue::harvest(std::span<daos_event_t*> events) {
  if (completed_.count > 0 && waits_since_ns_ != 0) {
    const std::int64_t waited_ns = system_clock().monotonic_ns() - std::exchange(waits_since_ns_, 0);
    waits_ns_ += (std::min(waited_ns, kRestNs) - waits_ns_) / 4;
  }
  std::size_t count = 0;
  for (; count < events.size() && completed_.first != nullptr; ++count) {
    daos_event_t& ev = *completed_.first;
    completed_.remove(ev);
    words_of(ev).state = DAOS_EVS_READY;
    events[count] = &ev;
  }
  return static_cast<int>(count);
}

int EventQueue::poll(bool wait_running, std::int64_t timeout_us, std::span<daos_event_t*> events) {
  const std::int64_t deadline_ns = timeout_us == DAOS_EQ_NOWAIT ? 0 : deadline_after(timeout_us);
  std::unique_lock lock(mutex_);
  // A program that takes one event at a time and starts another call for each: what it starts waits until it has taken all that
  // completed, and goes out together. But what runs gets a look now and then even when there always is something to be had.
  Progress made = Progress::kNone;
  if (running_.count > 0 && (completed_.count == 0 || loop_->clock().monotonic_ns() >= look_at_ns_)) {
    made = progress(lock, false, 0);
    if (completed_.count > 0) look_at_ns_ = loop_->clock().monotonic_ns() + kGatherNs;
  }
  while (completed_.count == 0) {
    if (timeout_us == DAOS_EQ_NOWAIT || (wait_running && running_.count == 0)) {
      if (running_.count > 0 && made == Progress::kNone) rest(lock);
      break;
    }
    if (made == Progress::kInside) return -DER_BUSY;  // a callback cannot wait for the loop it runs on
    made = progress(lock, true, deadline_ns);
    if (completed_.count == 0 && system_clock().monotonic_ns() >= deadline_ns) return 0;
  }
  return harvest(events);
}

int EventQueue::query(daos_eq_query_t query, std::span<daos_event_t*> events) {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  const auto add = [&](const List& list) {
    for (daos_event_t* ev = list.first; ev != nullptr; ev = words_of(*ev).next) {
      if (count < events.size()) events[count] = ev;
      ++count;
    }
  };
  if ((query & DAOS_EQR_COMPLETED) != 0) add(completed_);
  if ((query & DAOS_EQR_WAITING) != 0) add(running_);
  return static_cast<int>(count);
}

int EventQueue::test(daos_event_t& ev, std::int64_t timeout_us, bool& completed) {
  const std::int64_t deadline_ns = timeout_us == DAOS_EQ_NOWAIT ? 0 : deadline_after(timeout_us);
  std::unique_lock lock(mutex_);
  EventWords& words = words_of(ev);
  completed = false;
  if (words.state == DAOS_EVS_RUNNING) progress(lock, false, 0);
  while (words.state == DAOS_EVS_RUNNING) {
    if (timeout_us == DAOS_EQ_NOWAIT) return 0;
    if (progress(lock, true, deadline_ns) == Progress::kInside) return -DER_BUSY;
    if (words.state == DAOS_EVS_RUNNING && system_clock().monotonic_ns() >= deadline_ns) return 0;
  }
  completed = words.state == DAOS_EVS_COMPLETED;
  if (completed) {
    if (words.listed) completed_.remove(ev);
    words.state = DAOS_EVS_READY;
  }
  return 0;
}

int EventQueue::add_child(daos_event_t& parent, daos_event_t& child) {
  const std::lock_guard lock(mutex_);
  EventWords& family = words_of(parent);
  if (family.state == DAOS_EVS_RUNNING) return -DER_INVAL;  // the barrier was: no more children
  EventWords& words = words_of(child);
  words.parent = &parent;
  words.next_sibling = nullptr;
  daos_event_t** place = &family.first_child;
  while (*place != nullptr) place = &words_of(**place).next_sibling;
  *place = &child;
  ++family.children;
  return 0;
}

int EventQueue::barrier(daos_event_t& parent) {
  return launch(
      parent, [](EventWords&) {},
      [](daos_event_t& launched) {
        EventWords& words = words_of(launched);
        bool over = false;
        {
          const std::lock_guard lock(words.on->mutex_);
          words.barrier_passed = true;
          over = words.children_done == words.children;
        }
        if (over) words.on->complete(launched, launched.ev_error);
      });
}

int EventQueue::forget(daos_event_t& ev) {
  const std::lock_guard lock(mutex_);
  EventWords& words = words_of(ev);
  if (words.state == DAOS_EVS_RUNNING) return -DER_BUSY;
  for (daos_event_t* child = words.first_child; child != nullptr; child = words_of(*child).next_sibling) {
    if (words_of(*child).state == DAOS_EVS_RUNNING) return -DER_BUSY;
  }
  while (words.first_child != nullptr) {
    EventWords& child = words_of(*words.first_child);
    words.first_child = std::exchange(child.next_sibling, nullptr);
    child.parent = nullptr;
  }
  if (words.parent != nullptr) {
    EventWords& family = words_of(*words.parent);
    if (family.state == DAOS_EVS_RUNNING) return -DER_BUSY;
    daos_event_t** place = &family.first_child;
    while (*place != &ev) place = &words_of(**place).next_sibling;
    *place = words.next_sibling;
    --family.children;
    if (words.state == DAOS_EVS_COMPLETED) --family.children_done;
  }
  if (words.listed) completed_.remove(ev);
  words.magic = 0;
  return 0;
}

int EventQueue::next_child(daos_event_t& parent, daos_event_t* child, daos_event_t*& next) {
  const std::lock_guard lock(mutex_);
  if (child != nullptr && words_of(*child).parent != &parent) return -DER_INVAL;
  next = child == nullptr ? words_of(parent).first_child : words_of(*child).next_sibling;
  return 0;
}

bool EventQueue::idle() {
  const std::lock_guard lock(mutex_);
  return running_.count == 0 && completed_.count == 0 && !driven_;
}

void EventQueue::drain() {
  std::unique_lock lock(mutex_);
  // A parent whose children were never launched has nothing to wait for.
  while (running_.count > 0 || driven_) {
    bool waits_for_a_call = driven_;
    for (daos_event_t* ev = running_.first; ev != nullptr; ev = words_of(*ev).next) {
      waits_for_a_call |= words_of(*ev).first_child == nullptr;
    }
    if (!waits_for_a_call) break;
    if (progress(lock, true, INT64_MAX) == Progress::kInside) break;
  }
  for (List* list : {&running_, &completed_}) {
    while (list->first != nullptr) {
      daos_event_t& ev = *list->first;
      list->remove(ev);
      words_of(ev).state = DAOS_EVS_ABORTED;
    }
  }
}

}  // namespace ross::dfs
