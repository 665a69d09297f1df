// What every call shares: the last error, the thread's loop, the process's credentials.
#include <grp.h>
#include <pthread.h>
#include <unistd.h>

#include "faces/capi/handles.h"

namespace ross::capi {
namespace {

thread_local std::string last_error;

std::atomic<std::uint64_t> forks{0};

struct ThreadLoop {
  std::unique_ptr<runtime::Loop> loop;
  std::uint64_t generation = 0;
  ~ThreadLoop() {
    if (generation != fork_generation()) static_cast<void>(loop.release());
  }
};

}  // namespace

std::uint64_t fork_generation() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);
  return forks.load(std::memory_order_relaxed);
}

Result<runtime::Loop*> thread_loop() {
  static thread_local ThreadLoop mine;
  const std::uint64_t generation = fork_generation();
  if (mine.loop != nullptr && mine.generation == generation) return mine.loop.get();
  // The parent goes on using its ring, which this process shares: leak the copy, do not tear it down.
  static_cast<void>(mine.loop.release());
  ROSS_TRY(mine.loop, runtime::Loop::create());
  mine.generation = generation;
  return mine.loop.get();
}

int tell(const Status& status) {
  last_error = status.message();
  return -status.error();
}

int tell(int error, std::string_view message) {
  last_error = message;
  return -error;
}

fs::Credential process_credential() {
  fs::Credential cred{.uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
  if (const int count = ::getgroups(0, nullptr); count > 0) {
    cred.groups.resize(static_cast<std::size_t>(count));
    cred.groups.resize(static_cast<std::size_t>(std::max(0, ::getgroups(count, cred.groups.data()))));
  }
  return cred;
}

ross_store* make_store(std::unique_ptr<attach::Attachment> attachment) {
  auto* const store = new ross_store;
  store->attachment = std::move(attachment);
  store->cred = process_credential();
  return store;
}

}  // namespace ross::capi

const char* ross_version(void) { return "0.1.0"; }

const char* ross_last_error(void) { return ross::capi::last_error.c_str(); }
