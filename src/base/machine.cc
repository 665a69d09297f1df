#include "base/machine.h"

#include <sched.h>
#include <unistd.h>

#include <cerrno>

#include "base/read_file.h"

namespace ross {

std::string machine_id() {
  const Result<std::string> id = read_file("/proc/sys/kernel/random/boot_id");
  return id.has_value() ? id->substr(0, id->find('\n')) : std::string();
}

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

namespace {

constexpr int kCoresMax = 8192;
constexpr std::size_t kSetBytes = CPU_ALLOC_SIZE(kCoresMax);
using Set = std::vector<cpu_set_t>;
Set no_cores() { return Set(kSetBytes / sizeof(cpu_set_t)); }

}  // namespace

std::vector<int> usable_cores() {
  Set set = no_cores();
  std::vector<int> cores;
  if (::sched_getaffinity(0, kSetBytes, set.data()) != 0) return cores;
  for (int core = 0; core < kCoresMax; ++core) {
    if (CPU_ISSET_S(core, kSetBytes, set.data())) cores.push_back(core);
  }
  return cores;
}

Status pin_to(int core) {
  if (core < 0 || core >= kCoresMax) return Status(EINVAL);
  Set set = no_cores();
  CPU_SET_S(core, kSetBytes, set.data());
  return ::sched_setaffinity(0, kSetBytes, set.data()) == 0 ? Status() : Status(errno);
}

}  // namespace ross
