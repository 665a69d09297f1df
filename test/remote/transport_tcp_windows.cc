// Sockets, with windows for all but the smallest data: what backends do that reach into memory, on every machine.
#include "fabric/backends/crossing_at.h"
#include "fabric/tcp/tcp.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() {
  ROSS_TRY(auto domain, fabric::tcp::make_domain({}));
  constexpr std::size_t kInlineBytesMax = 64;
  return std::make_unique<fabric::CrossingAt>(std::move(domain), kInlineBytesMax);
}
std::string listen_address(const std::filesystem::path&) { return "127.0.0.1:0"; }

}  // namespace ross::transport
