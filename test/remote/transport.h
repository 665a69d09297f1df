// The transport that a test program of this folder is linked with: one transport_*.cc each.
//
// Threading: any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "fabric/endpoint.h"

namespace ross::transport {

Result<std::unique_ptr<fabric::Domain>> make_domain();
// Where a server of a test listens that has this directory to itself.
std::string listen_address(const std::filesystem::path& directory);

}  // namespace ross::transport
