// What this process has used of its machine. Threading: any thread.
#pragma once

#include <cstdint>

namespace ross::server::control {

struct ProcessUse {
  double started_s = 0;              // by the real-time clock, since 1970
  double cpu_s = 0;                  // of all its threads, user and system
  std::uint64_t resident_bytes = 0;  // 0: the kernel does not tell
};
ProcessUse process_use();

}  // namespace ross::server::control
