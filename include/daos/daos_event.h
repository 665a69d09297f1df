// Events and event queues: how calls run asynchronously.
//
//   daos_handle_t eq; daos_eq_create(&eq);
//   daos_event_t ev; daos_event_init(&ev, eq, NULL);
//   dfs_read(dfs, file, &sgl, 0, &size, &ev);            // returns at once
//   daos_event_t* done; daos_eq_poll(eq, 1, DAOS_EQ_WAIT, 1, &done);
//   if (done->ev_error != 0) ...                          // errno for dfs_ calls, -DER_ for daos_ calls
//   daos_event_fini(&ev);
//
// Progress happens only inside daos_eq_poll, daos_event_test and blocking calls; there is no thread behind.
// Ownership: an event and what its call was given stay in place until the event completed. Threading: any thread; one
// event by one thread at a time. Errors: -DER_NO_HDL for what is no queue, -DER_INVAL for what is no event.
#ifndef ROSS_DAOS_EVENT_H
#define ROSS_DAOS_EVENT_H

#include <daos_errno.h>
#include <daos_types.h>

#ifdef __cplusplus
extern "C" {
#endif

int daos_eq_create(daos_handle_t* eqh);

// Without force -DER_BUSY while events run or wait to be polled; with force, running calls are waited for.
#define DAOS_EQ_DESTROY_FORCE 1
int daos_eq_destroy(daos_handle_t eqh, int flags);

// Completed events, at most nevents, into events; how many. timeout is in microseconds, DAOS_EQ_NOWAIT or
// DAOS_EQ_WAIT. With wait_running it returns 0 at once when nothing runs. A thread that asks one queue time and again with DAOS_EQ_NOWAIT,
// and does nothing in between, is put to sleep for up to a millisecond at a time where what runs takes longer than 0.1 ms.
int daos_eq_poll(daos_handle_t eqh, int wait_running, int64_t timeout, unsigned int nevents, daos_event_t** events);

// How many events are in the states asked for, and the first nevents of them (events may be null). Makes no progress.
int daos_eq_query(daos_handle_t eqh, daos_eq_query_t query, unsigned int nevents, daos_event_t** events);

// eqh may be DAOS_HDL_INVAL: the event is then watched with daos_event_test. A child belongs to its parent's queue;
// polls return the parent, once every child completed.
int daos_event_init(daos_event_t* ev, daos_handle_t eqh, daos_event_t* parent);
// -DER_BUSY while the event, or a child of it, runs.
int daos_event_fini(daos_event_t* ev);
// The child behind child, or the first one for null; null at the end.
daos_event_t* daos_event_next(daos_event_t* parent, daos_event_t* child);
// Whether the event completed, after making progress for up to timeout microseconds. A completed event will not be
// returned by daos_eq_poll any more.
int daos_event_test(struct daos_event* ev, int64_t timeout, bool* flag);

// Called inside progress when the event completes, with its result; what it returns becomes the result. Register
// before the call that uses the event; at most two an event (-DER_NOSPACE).
typedef int (*daos_event_comp_cb_t)(void* arg, daos_event_t* ev, int result);
int daos_event_register_comp_cb(struct daos_event* ev, daos_event_comp_cb_t cb, void* arg);

// No child will be added: the parent completes when its children have.
int daos_event_parent_barrier(struct daos_event* ev);
// ROSS does not take calls back: -DER_NOTSUPPORTED for a running event, which completes as if not asked.
int daos_event_abort(daos_event_t* ev);

#ifdef __cplusplus
}
#endif
#endif
