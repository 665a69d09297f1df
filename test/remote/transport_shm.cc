#include "fabric/shm/domain.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() { return fabric::shm::make_domain({}); }
std::string listen_address(const std::filesystem::path& directory) { return directory / "sock"; }

}  // namespace ross::transport
