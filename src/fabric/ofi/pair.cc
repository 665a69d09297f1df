#include "fabric/ofi/pair.h"

#include <sched.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/clock.h"

namespace ross::fabric::ofi {

bool Pair::take_turn() {
  std::uint32_t nobodys = 0;
  return page().turn.compare_exchange_strong(nobodys, 1 + parts_.end, std::memory_order_seq_cst);
}

bool Pair::enter() {
  if (depth_ > 0) {
    ++depth_;
    return true;
  }
  if (over() || page().turn.load(std::memory_order_relaxed) != 0 || !take_turn()) return false;
  if (other().closed.load(std::memory_order_seq_cst) != 0) {
    // It was outside when we came in, and does not come again.
    page().turn.store(0, std::memory_order_release);
    other_closed_ = quiet_ = true;
    return false;
  }
  depth_ = 1;
  return true;
}

bool Pair::enter_soon(std::int64_t patience_ns) {
  if (enter()) return true;
  const std::int64_t until = system_clock().monotonic_ns() + patience_ns;
  while (!over() && system_clock().monotonic_ns() < until) {
    ::sched_yield();
    if (enter()) return true;
    if (!over()) look();
  }
  return false;
}

void Pair::leave() {
  if (--depth_ > 0) return;
  const bool tells = std::exchange(did_, false);
  if (tells) other().work.store(1, std::memory_order_seq_cst);
  page().turn.store(0, std::memory_order_release);
  // Pairs with fall_asleep(): either it sees the work, or we see it asleep.
  if (tells && other().asleep.load(std::memory_order_seq_cst) != 0 &&
      other().asleep.exchange(0, std::memory_order_relaxed) != 0) {
    ring();
  }
}

bool Pair::fall_asleep() {
  own().asleep.store(1, std::memory_order_seq_cst);
  if (own().work.load(std::memory_order_seq_cst) == 0 || over()) return true;
  wake_up();
  return false;
}

void Pair::ring() const {
  const char bell = 1;
  // A socket that is full rings as it is; one that is broken says so to who reads it.
  [[maybe_unused]] const ssize_t sent = ::send(fd(), &bell, sizeof bell, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Pair::look() {
  char bells[64];
  for (;;) {
    const ssize_t got = ::recv(fd(), bells, sizeof bells, MSG_DONTWAIT);
    if (got == static_cast<ssize_t>(sizeof bells)) continue;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) gone_ = true;
    break;
  }
  if (other().closed.load(std::memory_order_acquire) != 0) other_closed_ = true;
}

void Pair::close() {
  if (closed_) return;
  closed_ = true;
  own().closed.store(1, std::memory_order_seq_cst);
  ring();
}

bool Pair::quiet() {
  if (quiet_ || gone_) return true;
  if (!over() || depth_ > 0 || !take_turn()) return false;
  // Who comes after us sees that we are closed. Where we are not, the other end is.
  page().turn.store(0, std::memory_order_release);
  quiet_ = true;
  return true;
}

}  // namespace ross::fabric::ofi
