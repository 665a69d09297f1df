// The unix backend: processes of one machine over a Unix stream socket, with windows as tcp has them.
//
// Addresses are paths. Threading: as endpoint.h says.
#pragma once

#include <memory>

#include "fabric/endpoint.h"

namespace ross::fabric::local {

struct Options {};

Result<std::unique_ptr<Domain>> make_domain(const Options& options);

}  // namespace ross::fabric::local
