#include "base/clock.h"

#include <ctime>

namespace ross {
namespace {

std::int64_t read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t realtime_ns() const override { return read_clock(CLOCK_REALTIME); }
  [[nodiscard]] std::int64_t realtime_coarse_ns() const override { return read_clock(CLOCK_REALTIME_COARSE); }
  [[nodiscard]] std::int64_t monotonic_ns() const override { return read_clock(CLOCK_MONOTONIC); }
  bool jump_to(std::int64_t) override { return false; }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace ross
