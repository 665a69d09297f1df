#include "apps/ross/interrupt.h"

#include <atomic>
#include <csignal>

namespace ross::cli {
namespace {

std::atomic<int> signal_seen{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler stores into it");

}  // namespace

void install_interrupts() {
  struct sigaction action {};
  action.sa_handler = [](int signal) { signal_seen.store(signal, std::memory_order_relaxed); };
  action.sa_flags = SA_RESETHAND;  // the second one does what it always does
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    // A program started with a signal ignored (nohup) goes on ignoring it.
    if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    ::sigaction(signal, &action, nullptr);
  }
  // A closed pipe is an error of the write, so that an open pool is closed in order.
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, nullptr);
}

bool interrupted() { return signal_seen.load(std::memory_order_relaxed) != 0; }
int interrupt_exit_code() { return 128 + signal_seen.load(std::memory_order_relaxed); }
void interrupt_for_test(int signal) { signal_seen.store(signal, std::memory_order_relaxed); }

}  // namespace ross::cli
