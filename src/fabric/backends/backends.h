// Backends by name: which there are in this build, why another is not, and a domain of one.
//
//   for (const Backend& backend : backends()) ...          // best first
//   ROSS_TRY(auto domain, make_domain("tcp", "127.0.0.1"));
//
// Threading: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fabric/endpoint.h"

namespace ross::fabric {

struct Backend {
  std::string name;  // as in configuration, URLs and Traits::name
  bool same_machine_only = false;
  bool by_path = false;   // an address is the path of a socket; else a host and a port
  bool automatic = true;  // taken without being asked for by name
  std::string missing;    // why this build has it not; empty where it has
};

// In the order in which one is preferred: RDMA, then memory of the same machine, then sockets.
const std::vector<Backend>& backends();
// EINVAL with the names there are.
Result<const Backend*> find_backend(std::string_view name);
// host: our own address, numeric, for backends that bind to one. Errors: EINVAL for a name that is none, ENOTSUP with the reason
// for one that this build has not or whose library is not installed (libfabric and UCX are loaded by the first domain of theirs), ENODEV
// and the like where the machine has nothing for it.
Result<std::unique_ptr<Domain>> make_domain(std::string_view name, std::string_view host);

}  // namespace ross::fabric
