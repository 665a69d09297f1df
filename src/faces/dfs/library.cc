#include "faces/dfs/library.h"

#include <daos.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "base/log.h"
#include "faces/dfs/container.h"
#include "faces/dfs/errors.h"
#include "faces/dfs/filter.h"
#include "faces/dfs/fork_count.h"
#include "faces/dfs/mount.h"
#include "faces/dfs/system.h"

namespace ross::dfs {
namespace {

std::mutex init_mutex;
unsigned init_count = 0;                 // guarded by init_mutex
std::atomic<Library*> library{nullptr};  // changed under init_mutex

// The child of a fork has no threads but its own, and nothing that was open can be used or closed there: it shares
// rings, devices and locks with the parent.
void forget_in_child() {
  new (&init_mutex) std::mutex;  // the parent may have held it
  init_count = 0;
  library.store(nullptr);  // leaked on purpose
}

}  // namespace

Library* Library::current() { return library.load(std::memory_order_acquire); }

int Library::init() {
  const std::lock_guard lock(init_mutex);
  if (init_count++ > 0) return 0;
  at_fork(forget_in_child);
  // Cookies of other processes and of libraries that ended find nothing here.
  static std::uint32_t libraries = 0;
  library.store(new Library(static_cast<std::uint32_t>(getpid()) * 2654435761U + ++libraries * 40503U),
                std::memory_order_release);
  return 0;
}

int Library::fini() {
  const std::lock_guard lock(init_mutex);
  if (init_count == 0) return -DER_UNINIT;
  if (--init_count > 0) return 0;
  delete library.exchange(nullptr);
  return 0;
}

int Library::reinit() {
  {
    const std::lock_guard lock(init_mutex);
    if (library.load() != nullptr) return 0;  // not a child, or one that began anew already
  }
  return init();
}

Library::Library(std::uint32_t salt)
    : pools(HandleType::kPool, salt),
      containers(HandleType::kContainer, salt),
      queues(HandleType::kQueue, salt),
      mounts(HandleType::kMount, salt),
      objects(HandleType::kObject, salt),
      systems(HandleType::kSystem, salt),
      listings(HandleType::kListing, salt),
      pipelines(HandleType::kPipeline, salt) {}

// What is still open is closed from the top down, so that everything written becomes durable or is complained about.
Library::~Library() {
  for (const std::uint64_t cookie : queues.cookies()) queues.find(cookie)->drain();
  for (const std::uint64_t cookie : listings.cookies()) listings.remove(cookie);
  for (const std::uint64_t cookie : systems.cookies()) close_system(*this, cookie);
  for (const std::uint64_t cookie : mounts.cookies()) {
    if (Status status = close_mount(*this, cookie); !status.ok()) errno_told(status, "closing a mount");
  }
  for (const std::uint64_t cookie : containers.cookies()) {
    if (Status status = close_container(*this, cookie); !status.ok()) errno_told(status, "closing a container");
  }
  for (const std::uint64_t cookie : pools.cookies()) static_cast<void>(close_pool(*this, cookie));
}

Result<std::uint64_t> Library::own_queue() {
  const std::lock_guard lock(mutex_);
  if (own_queue_ == 0) {
    ROSS_TRY(auto queue, EventQueue::create());
    ROSS_TRY(own_queue_, queues.add(std::move(queue)));
  }
  return own_queue_;
}

int finish(daos_event_t* ev, int result) {
  if (ev == nullptr) return result;
  if (!is_event(ev)) return -DER_INVAL;
  Library* open = Library::current();
  if (open == nullptr) return -DER_UNINIT;
  EventQueue* queue = open->queues.find(words_of(*ev).queue);
  if (queue == nullptr) return -DER_NO_HDL;
  return queue->launch_completed(*ev, result);
}

int der_told(const Status& status, std::string_view what) {
  if (!status.ok()) log().error("{}: {}", what, status.message());
  return to_der(status);
}

int errno_told(const Status& status, std::string_view what) {
  if (!status.ok()) log().error("{}: {}", what, status.message());
  return status.error();
}

}  // namespace ross::dfs

using ross::dfs::Library;

extern "C" {

int daos_init(void) { return Library::init(); }
int daos_fini(void) { return Library::fini(); }
int daos_reinit(void) { return Library::reinit(); }

}  // extern "C"
