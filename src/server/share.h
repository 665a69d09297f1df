// share: what attach() needs to let the first process that opens a pool serve the others (attach::AttachOptions::share).
#pragma once

#include <memory>
#include <string>

#include "client/hosting.h"
#include "engine/pool.h"
#include "fabric/local/socket.h"

namespace ross::server {

// Serves pool, whose name for people is pool_name, at listener. The pool outlives what is returned.
Result<std::unique_ptr<client::Hosting>> share(engine::Pool& pool, fabric::Socket listener,
                                               const std::string& pool_name);

}  // namespace ross::server
