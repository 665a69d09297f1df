#include "conformance/fabric/rdma.h"
#include "fabric/ofi/ofi.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() {
  return fabric::ofi::make_domain({.provider = "ofi+verbs", .node = fabric::conformance::rdma_address()});
}
std::string listen_address(const std::filesystem::path&) { return fabric::conformance::rdma_address() + ":0"; }

}  // namespace ross::transport
