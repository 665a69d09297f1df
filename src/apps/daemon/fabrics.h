// Fabrics: those that a daemon offers to its clients, and listeners at them.
//
//   ROSS_TRY(const Fabrics fabrics, Fabrics::choose(config));
//   ROSS_TRY(auto listeners, fabrics.listeners(config, "/srv/ross/pool0/", 0));   // sockets: /srv/ross/pool0/shm.sock
//
// Threading: owner thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "apps/daemon/config.h"
#include "server/control/exports.h"
#include "server/server.h"

namespace ross::daemon {

struct Fabrics {
  std::vector<server::control::FabricOffer> offered;
  std::vector<std::pair<std::string, std::string>> missing;  // not offered, and why

  // Those that were asked for have to be there; of the others, those that are. ENODEV when none is.
  static Result<Fabrics> choose(const Config& config);
  // A listener at each, for one of a pool's servers by its place: shm.sock, shm.1.sock, ... sockets: what the path of a socket begins
  // with. Errors: those of a domain.
  [[nodiscard]] Result<std::vector<server::Listener>> listeners(const Config& config, const std::string& sockets,
                                                                std::size_t server) const;
  // "shm, tcp"
  [[nodiscard]] std::string names() const;
  // Says in the log where a server of the listeners is reached.
  void tell(const server::Server& server, const std::string& pool) const;
};

}  // namespace ross::daemon
