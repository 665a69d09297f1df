// Clock: where every time in ROSS comes from, so that a simulator can own it.
//
// Ownership: handed down by reference, outlives its users. Threading: any thread (SimClock: owner thread).
#pragma once

#include <cstdint>

namespace ross {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since 1970, for file times.
  [[nodiscard]] virtual std::int64_t realtime_ns() const = 0;
  // The same as of the kernel's last tick, some milliseconds ago: without the cost of asking the hardware.
  [[nodiscard]] virtual std::int64_t realtime_coarse_ns() const { return realtime_ns(); }
  // Nanoseconds since some start, never going back, for deadlines.
  [[nodiscard]] virtual std::int64_t monotonic_ns() const = 0;
  // A simulated clock jumps to monotonic_ns and returns true; a real one returns false and the
  // caller sleeps by its own means.
  virtual bool jump_to(std::int64_t monotonic_ns) = 0;
};

// The machine's clock.
Clock& system_clock();

// A clock that moves only when told.
class SimClock final : public Clock {
 public:
  explicit SimClock(std::int64_t realtime_start_ns = 1'700'000'000'000'000'000) : start_ns_(realtime_start_ns) {}
  [[nodiscard]] std::int64_t realtime_ns() const override { return start_ns_ + now_ns_; }
  [[nodiscard]] std::int64_t monotonic_ns() const override { return now_ns_; }
  bool jump_to(std::int64_t monotonic_ns) override {
    if (monotonic_ns > now_ns_) now_ns_ = monotonic_ns;
    return true;
  }
  void advance(std::int64_t by_ns) { now_ns_ += by_ns; }

 private:
  const std::int64_t start_ns_;
  std::int64_t now_ns_ = 0;
};

}  // namespace ross
