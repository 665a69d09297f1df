#include "fabric/ofi/ofi.h"
#include "transport.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain() { return fabric::ofi::make_domain({.provider = "ofi+shm"}); }
std::string listen_address(const std::filesystem::path& directory) { return directory / "sock"; }

}  // namespace ross::transport
