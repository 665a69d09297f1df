// Shared memory, with windows for all but the smallest data: the copies that one process makes in another's memory.
#include "fabric/backends/crossing_at.h"
#include "fabric/shm/domain.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() {
  ROSS_TRY(auto domain, fabric::shm::make_domain({}));
  constexpr std::size_t kInlineBytesMax = 64;
  return std::make_unique<fabric::CrossingAt>(std::move(domain), kInlineBytesMax);
}
std::string listen_address(const std::filesystem::path& directory) { return directory / "sock"; }

}  // namespace ross::transport
