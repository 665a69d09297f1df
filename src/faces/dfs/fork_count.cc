#include "faces/dfs/fork_count.h"

#include <pthread.h>

#include <atomic>

namespace ross::dfs {
namespace {

std::atomic<std::uint32_t> forks{0};
void (*child_hook)() = nullptr;

void in_child() {
  forks.fetch_add(1, std::memory_order_relaxed);
  if (child_hook != nullptr) child_hook();
}

struct Registration {
  Registration() { pthread_atfork(nullptr, nullptr, in_child); }
};
const Registration registration;

}  // namespace

std::uint32_t fork_count() { return forks.load(std::memory_order_relaxed); }

void at_fork(void (*in_child_too)()) { child_hook = in_child_too; }

}  // namespace ross::dfs
