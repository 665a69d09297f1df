// The fabric's backends by name, for the two programs of bench/remote. Threading: any thread.
#pragma once

#include <memory>
#include <string>

#include "fabric/backends/backends.h"
#include "fabric/local/unix_domain.h"

namespace ross::bench {

inline Result<std::unique_ptr<fabric::Domain>> make_domain(const std::string& backend) {
  if (backend == "unix")
    return fabric::local::make_domain({});  // how processes share a pool; nobody chooses it by name
  return fabric::make_domain(backend, "127.0.0.1");
}

// Where a server listens that has directory to itself.
inline std::string listen_address(const std::string& backend, const std::string& directory) {
  const auto known = fabric::find_backend(backend);
  return backend == "unix" || (known.has_value() && (*known)->by_path) ? directory + "/sock" : "127.0.0.1:0";
}

}  // namespace ross::bench
