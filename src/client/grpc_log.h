// gRPC's own words, which it writes to stderr, go to our log at level debug: what matters of them comes back as a Status. Called
// before the first use of gRPC in a process, any number of times. Threading: any thread.
#pragma once

#include <grpc/support/log.h>

#include "base/log.h"

namespace ross::client {

inline void take_grpc_log() {
  gpr_set_log_function([](gpr_log_func_args* line) { log().debug("grpc: {}", line->message); });
}

}  // namespace ross::client
