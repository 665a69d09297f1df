#include "server/share.h"

#include "server/server.h"

namespace ross::server {

Result<std::unique_ptr<client::Hosting>> share(engine::Pool& pool, fabric::Socket listener,
                                               const std::string& pool_name) {
  ServerOptions options;
  options.pool_name = "pool " + pool_name;
  return Server::start(pool, std::move(listener), std::move(options));
}

}  // namespace ross::server
