#include "server/share.h"

#include "fabric/local/unix_domain.h"
#include "server/server.h"

namespace ross::server {

Result<std::unique_ptr<client::Hosting>> share(engine::Pool& pool, fabric::Socket listener,
                                               const std::string& pool_name) {
  ServerOptions options;
  options.pool_name = "pool " + pool_name;
  std::vector<Listener> listeners(1);
  ROSS_TRY(listeners[0].domain, fabric::local::make_domain({.listener = std::move(listener)}));
  listeners[0].address = pool_name + "/share.sock";
  return Server::start(pool, std::move(listeners), std::move(options));
}

}  // namespace ross::server
