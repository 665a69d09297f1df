#include "apps/ross-engine/daemon.h"

#include <filesystem>

#include "attach/attach.h"
#include "server/share.h"

namespace ross::engine_daemon {

Status Daemon::serve(const Config& config, const PoolConfig& pool) {
  attach::AttachOptions options;
  options.pool.cache_bytes = config.cache_mib << 20;
  options.pool.commit_interval_ns = static_cast<std::int64_t>(config.commit_interval_ms) * 1'000'000;
  options.pool.serves_clients = true;
  options.share = &server::share;  // programs that name the pool's directory find it here, too
  auto opened = attach::attach_pool("local:" + pool.path, options);
  if (!opened.has_value()) return opened.error().with_context(pool.path);
  server::ServerOptions server_options;
  server_options.remembers = true;
  server_options.lease = std::chrono::milliseconds(config.lease_ms);
  return exporter_->add({.name = pool.name,
                         .pool = *std::move(opened),
                         .sockets = (std::filesystem::absolute(pool.path) / "").lexically_normal(),
                         .options = std::move(server_options),
                         .threads = config.threads,
                         .pin = config.pin});
}

Result<std::unique_ptr<Daemon>> Daemon::start(const Config& config) {
  std::unique_ptr<Daemon> made(new Daemon);
  ROSS_TRY(made->exporter_, daemon::Exporter::create(config));
  for (const PoolConfig& pool : config.pools) ROSS_OK(made->serve(config, pool));
  ROSS_OK(made->exporter_->open("ross-engine " ROSS_VERSION));
  return made;
}

}  // namespace ross::engine_daemon
