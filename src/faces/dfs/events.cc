// The daos_eq_ and daos_event_ calls: checks of handles and events, then the queue.
#include <daos_event.h>

#include <new>

#include "faces/dfs/errors.h"
#include "faces/dfs/event_queue.h"
#include "faces/dfs/library.h"

namespace {

using ross::dfs::EventQueue;
using ross::dfs::EventWords;
using ross::dfs::is_event;
using ross::dfs::Library;
using ross::dfs::words_of;

EventQueue* queue_of(std::uint64_t cookie) {
  Library* library = Library::current();
  return library == nullptr ? nullptr : library->queues.find(cookie);
}

}  // namespace

extern "C" {

int daos_eq_create(daos_handle_t* eqh) {
  if (eqh == nullptr) return -DER_INVAL;
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  auto queue = EventQueue::create();
  if (!queue) return ross::dfs::der_told(queue.error(), "cannot make an event queue");
  const auto cookie = library->queues.add(*std::move(queue));
  if (!cookie) return ross::dfs::der_told(cookie.error(), "cannot make an event queue");
  eqh->cookie = *cookie;
  return 0;
}

int daos_eq_destroy(daos_handle_t eqh, int flags) {
  EventQueue* queue = queue_of(eqh.cookie);
  if (queue == nullptr) return -DER_NO_HDL;
  if ((flags & ~DAOS_EQ_DESTROY_FORCE) != 0) return -DER_INVAL;
  if ((flags & DAOS_EQ_DESTROY_FORCE) == 0 && !queue->idle()) return -DER_BUSY;
  queue->drain();
  Library::current()->queues.remove(eqh.cookie);
  return 0;
}

int daos_eq_poll(daos_handle_t eqh, int wait_running, int64_t timeout, unsigned int nevents, daos_event_t** events) {
  EventQueue* queue = queue_of(eqh.cookie);
  if (queue == nullptr) return -DER_NO_HDL;
  if (events == nullptr || nevents == 0 || nevents > INT32_MAX) return -DER_INVAL;
  return queue->poll(wait_running != 0, timeout, {events, nevents});
}

int daos_eq_query(daos_handle_t eqh, daos_eq_query_t query, unsigned int nevents, daos_event_t** events) {
  EventQueue* queue = queue_of(eqh.cookie);
  if (queue == nullptr) return -DER_NO_HDL;
  return queue->query(query, {events, events == nullptr ? 0 : nevents});
}

int daos_event_init(daos_event_t* ev, daos_handle_t eqh, daos_event_t* parent) {
  Library* library = Library::current();
  if (library == nullptr) return -DER_UNINIT;
  if (ev == nullptr || ev == parent || (parent != nullptr && !is_event(parent))) return -DER_INVAL;
  std::uint64_t cookie = eqh.cookie;
  if (parent != nullptr) {
    cookie = words_of(*parent).queue;
  } else if (cookie == 0) {
    const auto own = library->own_queue();
    if (!own) return ross::dfs::der_told(own.error(), "cannot make an event queue");
    cookie = *own;
  }
  EventQueue* queue = library->queues.find(cookie);
  if (queue == nullptr) return -DER_NO_HDL;
  ev->ev_error = 0;
  EventWords* words = new (&ev->ev_private) EventWords{};
  words->queue = cookie;
  words->polled = parent == nullptr && eqh.cookie != 0;
  words->state = DAOS_EVS_READY;
  if (parent != nullptr) {
    if (const int result = queue->add_child(*parent, *ev); result != 0) return result;
  }
  words->magic = EventWords::kMagic;
  return 0;
}

int daos_event_fini(daos_event_t* ev) {
  if (!is_event(ev)) return -DER_INVAL;
  EventQueue* queue = queue_of(words_of(*ev).queue);
  if (queue == nullptr) {  // the queue is gone, and drained its events when it went
    words_of(*ev).magic = 0;
    return 0;
  }
  return queue->forget(*ev);
}

daos_event_t* daos_event_next(daos_event_t* parent, daos_event_t* child) {
  if (!is_event(parent) || (child != nullptr && !is_event(child))) return nullptr;
  EventQueue* queue = queue_of(words_of(*parent).queue);
  daos_event_t* next = nullptr;
  if (queue == nullptr || queue->next_child(*parent, child, next) != 0) return nullptr;
  return next;
}

int daos_event_test(struct daos_event* ev, int64_t timeout, bool* flag) {
  if (!is_event(ev) || flag == nullptr) return -DER_INVAL;
  EventQueue* queue = queue_of(words_of(*ev).queue);
  if (queue == nullptr) return -DER_NO_HDL;
  return queue->test(*ev, timeout, *flag);
}

int daos_event_register_comp_cb(struct daos_event* ev, daos_event_comp_cb_t cb, void* arg) {
  if (!is_event(ev) || cb == nullptr) return -DER_INVAL;
  EventWords& words = words_of(*ev);
  if (words.state == DAOS_EVS_RUNNING) return -DER_BUSY;
  if (words.callbacks == EventWords::kCallbacksMax) return -DER_NOSPACE;
  words.callback[words.callbacks++] = {cb, arg};
  return 0;
}

int daos_event_parent_barrier(struct daos_event* ev) {
  if (!is_event(ev) || words_of(*ev).first_child == nullptr) return -DER_INVAL;
  EventQueue* queue = queue_of(words_of(*ev).queue);
  if (queue == nullptr) return -DER_NO_HDL;
  return queue->barrier(*ev);
}

int daos_event_abort(daos_event_t* ev) {
  if (!is_event(ev)) return -DER_INVAL;
  return words_of(*ev).state == DAOS_EVS_RUNNING ? -DER_NOTSUPPORTED : -DER_NO_PERM;
}

}  // extern "C"
