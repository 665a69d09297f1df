// Sockets, with windows for all but the smallest data: what backends do that reach into memory, on every machine.
#include "fabric/tcp/tcp.h"
#include "transport.h"
#include "windowed_domain.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() {
  ROSS_TRY(auto domain, fabric::tcp::make_domain({}));
  constexpr std::size_t kInlineBytesMax = 64;
  return std::make_unique<remote_test::WindowedDomain>(std::move(domain), kInlineBytesMax);
}
std::string listen_address(const std::filesystem::path&) { return "127.0.0.1:0"; }

}  // namespace ross::transport
