// The libfabric backend: reliable datagram endpoints (FI_EP_RDM) of one provider.
//
//   ROSS_TRY(auto domain, fabric::ofi::make_domain({.provider = "ofi+tcp", .node = "10.0.0.7"}));
//   ROSS_TRY(auto endpoint, domain->open(loop, {.limits = limits, .listen = "10.0.0.7:7471", .acceptor = &acceptor}));
//
// Providers: "ofi+tcp" (libfabric's tcp;ofi_rxm), "ofi+verbs" (verbs;ofi_rxm), "ofi+shm" (shm). Addresses are
// "a.b.c.d:port" or "[ip6]:port", and for shm the path of a socket. What a provider needs (registered local memory, its own
// keys, virtual addresses, polling) is asked of libfabric and honoured by the answer, never by the provider's name.
//
// Limits: README.md says what windows are worth on each provider. Errors: ENODEV when the provider is unknown or not there (the
// message lists what libfabric offers), ENOTSUP when it asks for something that is not kept (FI_MR_RAW).
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "fabric/endpoint.h"

namespace ross::fabric::ofi {

struct Options {
  std::string provider = "ofi+tcp";
  std::string node;       // our own address, numeric; empty: the provider's first
  std::string interface;  // the network device or RDMA device ("eth0", "mlx5_0"); empty: any
  // Demands to honour beyond the provider's own: FI_MR_LOCAL, FI_MR_PROV_KEY.
  int mr_mode_for_test = 0;
};

Result<std::unique_ptr<Domain>> make_domain(const Options& options);

}  // namespace ross::fabric::ofi
