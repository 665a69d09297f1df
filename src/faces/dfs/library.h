// Library: everything a process has open through the C interface; what daos_init makes and daos_fini ends.
//
// A C interface has no object to hang its state on, so this is the one global of the room. A forked child starts
// without one: what the parent had open is forgotten there, not closed.
//
//   Library* library = Library::current();       // null: -DER_UNINIT
//   Mount* mount = library->mounts.find(cookie);
//
// Ownership: tables own what is open. Threading: any thread.
#pragma once

#include <daos_types.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "faces/dfs/backend.h"
#include "faces/dfs/event_queue.h"
#include "faces/dfs/handle_table.h"

namespace ross::dfs {

struct Pool;
struct Container;
struct Mount;
struct System;
struct Listing;
struct Pipeline;

class Library {
 public:
  static Library* current();
  static int init();  // 0 or -DER_*; counted
  static int fini();
  static int reinit();

  explicit Library(std::uint32_t salt);
  ~Library();

  // The queue of events that are in no queue of the program's.
  Result<std::uint64_t> own_queue();

  HandleTable<Pool> pools;
  HandleTable<Container> containers;
  HandleTable<EventQueue> queues;
  HandleTable<Mount> mounts;
  HandleTable<Object> objects;
  HandleTable<System> systems;
  HandleTable<Listing> listings;
  HandleTable<Pipeline> pipelines;

 private:
  std::mutex mutex_;
  std::uint64_t own_queue_ = 0;  // guarded by mutex_
};

// Ends a daos_* call that is over: returns result, or hands it to the event.
int finish(daos_event_t* ev, int result);
// Says on stderr why a call fails, and returns the status' number.
int der_told(const Status& status, std::string_view what);
int errno_told(const Status& status, std::string_view what);

// Handles as pointers: dfs_t* and its like are cookies that no program looks behind.
template <class Pointer>
Pointer as_pointer(std::uint64_t cookie) {
  return reinterpret_cast<Pointer>(static_cast<std::uintptr_t>(cookie));
}
inline std::uint64_t as_cookie(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }
static_assert(sizeof(void*) == sizeof(std::uint64_t), "handles travel as pointers");

}  // namespace ross::dfs
