#include "apps/ross-engine/daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "attach/attach.h"
#include "base/log.h"
#include "fabric/backends/backends.h"
#include "server/share.h"

namespace ross::engine_daemon {
namespace {

constexpr std::chrono::milliseconds kCallPatience{2'000};  // for calls of the control plane that are at work

// Where a backend listens for one pool.
std::string listen_address(const fabric::Backend& backend, const Config& config, const PoolConfig& pool) {
  if (backend.by_path) return (std::filesystem::absolute(pool.path) / (backend.name + ".sock")).lexically_normal();
  const bool ipv6 = config.data_listen.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:0", config.data_listen) : config.data_listen + ":0";
}

}  // namespace

// Those that were asked for have to be there; of the others, those that are.
Status Daemon::choose_fabrics(const Config& config) {
  for (const fabric::Backend& backend : fabric::backends()) {
    const bool asked = std::find(config.fabrics.begin(), config.fabrics.end(), backend.name) != config.fabrics.end();
    if (!asked && (!config.fabrics.empty() || !backend.automatic)) {
      missing_.emplace_back(backend.name, "not configured");
      continue;
    }
    // Made once to see whether the machine has what it needs.
    auto domain = fabric::make_domain(backend.name, config.data_listen);
    if (domain.has_value()) {
      fabrics_.push_back({.backend = backend.name, .same_machine_only = backend.same_machine_only});
      continue;
    }
    if (asked) return domain.error().with_context(fmt::format("fabric {}", backend.name));
    log().info("fabric {} is not offered: {}", backend.name, domain.error().message());
    missing_.emplace_back(backend.name, domain.error().message());
  }
  if (fabrics_.empty()) return Status(ENODEV, "no fabric can be offered: see the log at level info");
  return {};
}

Status Daemon::serve(const Config& config, const PoolConfig& pool) {
  attach::AttachOptions options;
  options.pool.cache_bytes = config.cache_mib << 20;
  options.pool.commit_interval_ns = static_cast<std::int64_t>(config.commit_interval_ms) * 1'000'000;
  options.pool.serves_clients = true;
  options.share = &server::share;  // programs that name the pool's directory find it here, too
  auto opened = attach::attach_pool("local:" + pool.path, options);
  if (!opened.has_value()) return opened.error().with_context(pool.path);
  std::vector<server::Listener> listeners;
  for (const server::control::FabricOffer& offer : fabrics_) {
    const auto backend = fabric::find_backend(offer.backend);
    auto domain = fabric::make_domain(offer.backend, config.data_listen);
    if (!domain.has_value()) return domain.error().with_context(fmt::format("fabric {}", offer.backend));
    listeners.push_back({.domain = *std::move(domain), .address = listen_address(**backend, config, pool)});
  }
  server::ServerOptions server_options;
  server_options.pool_name = "pool " + pool.name;
  server_options.patience = std::chrono::milliseconds(0);
  server_options.remembers = true;
  server_options.lease = std::chrono::milliseconds(config.lease_ms);
  auto server = server::Server::start(**opened, std::move(listeners), std::move(server_options));
  if (!server.has_value()) return server.error().with_context(fmt::format("serving pool {}", pool.name));
  for (std::size_t i = 0; i < fabrics_.size(); ++i) {
    log().info("pool {} by {} at {}", pool.name, fabrics_[i].backend, (*server)->addresses()[i]);
  }
  served_.push_back({.name = pool.name, .pool = *std::move(opened), .server = *std::move(server)});
  return {};
}

Result<std::unique_ptr<Daemon>> Daemon::start(const Config& config) {
  std::unique_ptr<Daemon> daemon(new Daemon);
  ROSS_OK(daemon->choose_fabrics(config));
  for (const PoolConfig& pool : config.pools) ROSS_OK(daemon->serve(config, pool));
  std::vector<server::control::Export> exported;
  for (const Served& served : daemon->served_) {
    exported.push_back({.name = served.name, .pool = served.pool.get(), .server = served.server.get()});
  }
  daemon->exports_ = std::make_unique<server::control::Exports>(std::move(exported), daemon->fabrics_);
  ROSS_TRY(daemon->control_,
           server::control::ControlServer::start(*daemon->exports_, {.listen = config.control_listen,
                                                                     .tls = config.tls,
                                                                     .server = "ross-engine " ROSS_VERSION,
                                                                     .missing = daemon->missing_}));
  return daemon;
}

Daemon::~Daemon() { static_cast<void>(stop()); }

std::string Daemon::fabrics() const {
  std::string names;
  for (const server::control::FabricOffer& offer : fabrics_) names += (names.empty() ? "" : ", ") + offer.backend;
  return names;
}

Status Daemon::stop() {
  if (control_ != nullptr) {
    control_->announce_end();
    control_->stop(kCallPatience);
    control_.reset();
  }
  Status first;
  for (Served& served : served_) {
    served.server->finish();
    served.server.reset();
    Status status = served.pool->sync();
    if (first.ok() && !status.ok()) first = status.with_context("pool " + served.name);
  }
  served_.clear();
  return first;
}

}  // namespace ross::engine_daemon
