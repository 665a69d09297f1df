#include "apps/ross-agent/agent.h"

#include <fmt/format.h>

#include <filesystem>

#include "apps/ross-agent/engine_pool.h"
#include "apps/ross-agent/upstream.h"
#include "base/log.h"

namespace ross::agent_daemon {

Status Agent::serve(const Config& config, const ExportConfig& exported) {
  const auto url = attach::parse_url(exported.url, false);
  if (!url.has_value()) return url.error();
  server::ServerOptions options;
  const auto placement = placement_of(exported.placement);
  if (!placement.has_value()) return placement.error();
  options.placement = *placement;
  options.staged_containers.insert(exported.staged_containers.begin(), exported.staged_containers.end());
  log().info("pool {}: large data {}", exported.name,
             *placement == server::Placement::kStaged ? "is staged here"
                                                      : "goes past this agent, for hosts that reach the engine");
  options.lease = std::chrono::milliseconds(config.lease_ms);
  options.upstream = upstream_at({.url = *url,
                                  .tls = config.engine_tls,
                                  .patience_ns = static_cast<std::int64_t>(config.outage_seconds) * 1'000'000'000});
  return exporter_->add({.name = exported.name,
                         .pool = std::make_shared<EnginePool>(*url, config.engine_tls),
                         .sockets = std::filesystem::absolute(config.sockets) / (exported.name + "."),
                         .options = std::move(options),
                         .threads = config.threads,
                         .pin = config.pin});
}

Result<std::unique_ptr<Agent>> Agent::start(const Config& config) {
  std::unique_ptr<Agent> agent(new Agent);
  std::error_code error;
  std::filesystem::create_directories(config.sockets, error);
  if (error) {
    return fail(error.value(), fmt::format("cannot make the folder {} for sockets: {}: set data.sockets, or --sockets",
                                           config.sockets, error.message()));
  }
  ROSS_TRY(agent->exporter_, daemon::Exporter::create(config));
  for (const ExportConfig& exported : config.exports) ROSS_OK(agent->serve(config, exported));
  ROSS_OK(agent->exporter_->open("ross-agent " ROSS_VERSION));
  return agent;
}

}  // namespace ross::agent_daemon
