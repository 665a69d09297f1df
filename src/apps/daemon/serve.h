// A daemon's run: from its start, through the signal that ends it, to its end in order.
//
//   return serve("ross-engine", config, [&]() -> Result<Running> { ... });
//
// Threading: owner thread, the program's first, before it has others.
#pragma once

#include <functional>
#include <string>

#include "apps/daemon/config.h"

namespace ross::daemon {

inline constexpr int kBadInput = 2;  // exit code: a bad command line or configuration

struct Running {
  std::string urls;     // what it serves: " ross://127.0.0.1:7470/pool0 ..."
  std::string fabrics;  // "shm, tcp"
  std::function<Status()> stop;
  std::string stopped;  // what is told when that went well
};
// SIGTERM and SIGINT stop it; systemd is told. The exit code: 0, or 1 when start or stop failed, which is told on standard error.
int serve(const char* program, const Config& config, const std::function<Result<Running>()>& start);

// Tells on standard error; returns the exit code.
int complain(const char* program, const Status& status, int exit_code);

}  // namespace ross::daemon
