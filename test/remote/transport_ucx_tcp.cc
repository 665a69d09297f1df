#include "fabric/ucx/domain.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() { return fabric::ucx::make_domain({.transport = "ucx+tcp"}); }
std::string listen_address(const std::filesystem::path&) { return "127.0.0.1:0"; }

}  // namespace ross::transport
