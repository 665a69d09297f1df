#include "server/control/process_use.h"

#include <sys/resource.h>
#include <unistd.h>

#include <charconv>

#include "base/clock.h"
#include "base/read_file.h"

namespace ross::server::control {
namespace {

const double kStartedS = static_cast<double>(system_clock().realtime_ns()) / 1e9;  // when the program was loaded

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// The second number of /proc/self/statm counts pages.
std::uint64_t resident_bytes() {
  const auto text = read_file("/proc/self/statm");
  if (!text.has_value()) return 0;
  const std::size_t space = text->find(' ');
  std::uint64_t pages = 0;
  if (space != std::string::npos) std::from_chars(text->data() + space + 1, text->data() + text->size(), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

ProcessUse process_use() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return {.started_s = kStartedS,
          .cpu_s = seconds(use.ru_utime) + seconds(use.ru_stime),
          .resident_bytes = resident_bytes()};
}

}  // namespace ross::server::control
