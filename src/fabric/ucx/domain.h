// UCX behind fabric/endpoint.h: its transports tcp, shared memory, and RDMA.
//
//   ROSS_TRY(auto domain, fabric::ucx::make_domain({.transport = "ucx+tcp"}));
//
// What a window promises is kept by its owner in software: UCX moves data only where the owner has looked up key,
// direction, range and channel and then named the memory. Keys are 128 bits of randomness.
//
// What UCX itself does not promise: it trusts whoever is connected to it. Its tcp writes to the address that a peer's
// packet names, its shared memory lets processes of one user read each other, and its own packets are not checked for
// lengths. So ucx+* belongs on networks where every host is trusted with the memory of the others, as RDMA does; where peers
// are not, use our own tcp. What is ours in a packet is checked field by field, and ends the channel.
//
// Ownership: a domain outlives its endpoints and regions. Threading: any thread; each endpoint its loop's.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fabric/endpoint.h"

namespace ross::fabric::ucx {

struct Options {
  std::string transport = "ucx+tcp";  // or "ucx+shm", "ucx+rc"
  // UCX's own settings by their names without UCX_, such as {"NET_DEVICES", "mlx5_0:1"}; they go over ours.
  std::vector<std::pair<std::string, std::string>> settings;
};

// Loads UCX if nobody has. Errors: ENOTSUP (UCX is not installed, or another version), EINVAL (no such transport or
// setting), ENODEV (no device for it on this machine).
Result<std::unique_ptr<Domain>> make_domain(const Options& options);

}  // namespace ross::fabric::ucx
