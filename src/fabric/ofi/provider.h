// Provider: one provider of libfabric, found and asked what it needs and gives.
//
// Threading: immutable.
#pragma once

#include <cstddef>
#include <string>

#include "fabric/ofi/library.h"
#include "fabric/ofi/ofi.h"

namespace ross::fabric::ofi {

struct Provider {
  Info info;
  std::string name;  // as in configuration

  // Demands.
  bool local_registration = false;  // FI_MR_LOCAL: memory the provider reads or writes for us is registered
  bool virtual_addresses = false;   // FI_MR_VIRT_ADDR: windows begin at their address, not at 0
  bool provider_keys = false;       // FI_MR_PROV_KEY: keys are the provider's, not ours
  bool endpoint_bound = false;      // FI_MR_ENDPOINT: a registration belongs to one endpoint and is enabled

  // Gifts.
  bool cheap_registration = false;        // by software: every window has a registration of its own, of its exact range
  bool local_only = false;                // cannot reach other machines
  bool multi_receive = false;             // FI_MULTI_RECV
  std::size_t ordered_put_bytes_max = 0;  // a message arrives behind the data of puts up to here (FI_ORDER_SAW)
  std::size_t inject_bytes_max = 0;
  std::size_t spans_max = 1;  // of one transfer
  std::size_t transfer_bytes_max = 0;
  unsigned key_bits = 64;

  // Finds the provider, with the fewest demands it can be had with.
  static Result<Provider> find(const Options& options);
  // The same provider for an endpoint at address (numeric host and port, or a name); empty: any.
  [[nodiscard]] Result<Info> at(const std::string& address, fid_domain* domain) const;
};

// What is reached under address, in the provider's own bytes. EINVAL.
Result<std::string> parse_address(std::uint32_t format, std::string_view address);
// The address of the provider's own bytes, as parse_address() takes it. EINVAL for bytes that are none.
Result<std::string> print_address(std::uint32_t format, std::string_view raw);

}  // namespace ross::fabric::ofi
