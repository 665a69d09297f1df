#include "apps/daemon/fabrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "fabric/backends/backends.h"

namespace ross::daemon {

Result<Fabrics> Fabrics::choose(const Config& config) {
  Fabrics chosen;
  for (const fabric::Backend& backend : fabric::backends()) {
    const bool asked = std::find(config.fabrics.begin(), config.fabrics.end(), backend.name) != config.fabrics.end();
    if (!asked && (!config.fabrics.empty() || !backend.automatic)) {
      chosen.missing.emplace_back(backend.name, "not configured");
      continue;
    }
    // Made once to see whether the machine has what it needs.
    auto domain = fabric::make_domain(backend.name, config.data_listen);
    if (domain.has_value()) {
      chosen.offered.push_back({.backend = backend.name, .same_machine_only = backend.same_machine_only});
      continue;
    }
    if (asked) return fail(domain.error().with_context(fmt::format("fabric {}", backend.name)));
    log().info("fabric {} is not offered: {}", backend.name, domain.error().message());
    chosen.missing.emplace_back(backend.name, domain.error().message());
  }
  if (chosen.offered.empty()) return fail(ENODEV, "no fabric can be offered: see the log at level info");
  return chosen;
}

Result<std::vector<server::Listener>> Fabrics::listeners(const Config& config, const std::string& sockets,
                                                         std::size_t server) const {
  const bool ipv6 = config.data_listen.find(':') != std::string::npos;
  const std::string network = ipv6 ? fmt::format("[{}]:0", config.data_listen) : config.data_listen + ":0";
  std::vector<server::Listener> listeners;
  for (const server::control::FabricOffer& offer : offered) {
    ROSS_TRY(const fabric::Backend* const backend, fabric::find_backend(offer.backend));
    auto domain = fabric::make_domain(offer.backend, config.data_listen);
    if (!domain.has_value()) return fail(domain.error().with_context(fmt::format("fabric {}", offer.backend)));
    const std::string path = sockets + backend->name + (server == 0 ? "" : fmt::format(".{}", server)) + ".sock";
    listeners.push_back({.domain = *std::move(domain), .address = backend->by_path ? path : network});
  }
  return listeners;
}

std::string Fabrics::names() const {
  std::string names;
  for (const server::control::FabricOffer& offer : offered) names += (names.empty() ? "" : ", ") + offer.backend;
  return names;
}

void Fabrics::tell(const server::Server& server, const std::string& pool) const {
  for (std::size_t i = 0; i < offered.size(); ++i) {
    log().info("pool {} by {} at {}", pool, offered[i].backend, server.addresses()[i]);
  }
}

}  // namespace ross::daemon
