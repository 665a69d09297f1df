#include "fabric/tcp/tcp.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() { return fabric::tcp::make_domain({}); }
std::string listen_address(const std::filesystem::path&) { return "127.0.0.1:0"; }

}  // namespace ross::transport
