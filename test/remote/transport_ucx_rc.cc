#include "conformance/fabric/rdma.h"
#include "fabric/ucx/domain.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() { return fabric::ucx::make_domain({.transport = "ucx+rc"}); }
std::string listen_address(const std::filesystem::path&) { return fabric::conformance::rdma_address() + ":0"; }

}  // namespace ross::transport
