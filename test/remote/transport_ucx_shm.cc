#include "fabric/ucx/domain.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() { return fabric::ucx::make_domain({.transport = "ucx+shm"}); }
std::string listen_address(const std::filesystem::path& directory) { return directory / "sock"; }

}  // namespace ross::transport
