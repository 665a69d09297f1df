// What the benchmark programs share: clocks, this process's memory, and driving a file system from plain code.
//
// Threading: owner thread.
#pragma once

#include <fmt/format.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

namespace ross::bench {

inline double clock_seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Wall-clock time and the processor time of all of this process's threads since it was made.
class Watch {
 public:
  [[nodiscard]] double seconds() const { return clock_seconds(CLOCK_MONOTONIC) - wall_; }
  [[nodiscard]] double cpu_seconds() const { return clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_; }

 private:
  double wall_ = clock_seconds(CLOCK_MONOTONIC);
  double cpu_ = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
};

// A line of /proc/self/status that is given in KiB: "VmRSS" is what is resident, "VmHWM" the most that ever was.
inline std::uint64_t memory_bytes(std::string_view field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(field) || line[field.size()] != ':') continue;
    return std::strtoull(line.c_str() + field.size() + 1, nullptr, 10) * 1024;
  }
  return 0;
}

// A benchmark that cannot do its work has no result: it says why and ends.
[[noreturn]] inline void give_up(std::string_view doing, std::string_view why) {
  fmt::print(stderr, "{}: {}\n", doing, why);
  std::exit(1);
}

}  // namespace ross::bench
