#include "fresh_thread.h"

#include <pthread.h>
#include <sys/mman.h>

#include "base/status.h"
#include "base/units.h"

namespace ross::sim {

namespace {

constexpr std::size_t kStackBytes = 16 * kMiB;
// Below where the kernel puts mappings, and where the sanitizers allow some.
constexpr std::uintptr_t kStackAddress = 0x7e9000000000;

void* map_stack() {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const wanted = reinterpret_cast<void*>(kStackAddress);
  void* stack = ::mmap(wanted, kStackBytes, PROT_READ | PROT_WRITE, kFlags | MAP_FIXED_NOREPLACE, -1, 0);
  if (stack == MAP_FAILED) stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  ROSS_CHECK(stack != MAP_FAILED, "no memory for a thread's stack");
  return stack;
}

}  // namespace

void run_in_fresh_thread(const std::function<void()>& work) {
  void* const stack = map_stack();
  pthread_attr_t attributes;
  pthread_t thread{};
  ROSS_CHECK(::pthread_attr_init(&attributes) == 0 && ::pthread_attr_setstack(&attributes, stack, kStackBytes) == 0,
             "a thread does not take its stack");
  const auto run = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  ROSS_CHECK(::pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&work)) == 0,
             "a thread cannot be made");
  ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&attributes);
  ::munmap(stack, kStackBytes);
}

}  // namespace ross::sim
