// The unix backend: processes of one machine over a Unix stream socket, with windows as tcp has them.
//
// Addresses are paths. Threading: as endpoint.h says.
#pragma once

#include <memory>

#include "fabric/endpoint.h"
#include "fabric/local/socket.h"

namespace ross::fabric::local {

struct Options {
  // A socket that listens already (listen_at): the first endpoint that listens does so there, at the path it names.
  Socket listener;
};

Result<std::unique_ptr<Domain>> make_domain(Options options);

}  // namespace ross::fabric::local
