// The fabric's backends by name, for the programs that measure them. Threading: any thread.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>

#include "fabric/endpoint.h"
#include "fabric/local/unix_domain.h"
#include "fabric/tcp/tcp.h"
#include "programs/measure.h"

namespace ross::bench {

inline const char* backend_names() { return "tcp, unix"; }

inline Result<std::unique_ptr<fabric::Domain>> make_domain(const std::string& backend) {
  if (backend == "tcp") return fabric::tcp::make_domain({});
  if (backend == "unix") return fabric::local::make_domain({});
  give_up(backend, "there is no such backend");
}

// A place where nobody listens yet.
inline std::string listen_address(const std::string& backend) {
  if (backend == "unix") return fmt::format("/tmp/ross-fabric-get-{}.sock", ::getpid());
  return "127.0.0.1:0";
}

}  // namespace ross::bench
