// ross-engine: serves pools of this machine. Exit codes: 0 stopped as asked, 1 something failed (told on standard error), 2 a bad
// command line or configuration.
#include <cstdio>
#include <exception>

#include "apps/daemon/serve.h"
#include "apps/options/options.h"
#include "apps/ross-engine/config.h"
#include "apps/ross-engine/daemon.h"

namespace ross::engine_daemon {
namespace {

constexpr const char* kProgram = "ross-engine";

struct Line {
  std::string config_path;
  std::vector<std::string> pools;
  std::string listen;
  std::vector<std::string> fabrics;
  std::int64_t threads = -1;  // not given
  bool check_only = false;
};

// The file's configuration with the command line over it.
Result<Config> configure(const Line& line) {
  Config config;
  if (!line.config_path.empty()) {
    ROSS_TRY(config, read_config(line.config_path));
  }
  if (!line.pools.empty()) config.pools.clear();
  for (const std::string& path : line.pools) config.pools.push_back({.path = path, .name = {}});
  if (!line.listen.empty()) config.control_listen = line.listen;
  if (!line.fabrics.empty()) config.fabrics = line.fabrics;
  if (line.threads >= 0) config.threads = static_cast<std::uint64_t>(line.threads);
  ROSS_OK(complete(config));
  return config;
}

Result<daemon::Running> start(const Config& config, std::unique_ptr<Daemon>& engine) {
  ROSS_TRY(engine, Daemon::start(config));
  return daemon::Running{.urls = engine->exporter().urls(),
                         .fabrics = engine->exporter().fabrics(),
                         .stop = [&engine] { return engine->stop(); },
                         .stopped = "every pool is synced and closed"};
}

int run(int argc, char** argv) {
  Line line;
  apps::Options options("Serves pools of this machine to ross:// URLs", "ross-engine");
  options.footer(
      "  ross-engine /srv/ross/pool0            serves ross://127.0.0.1:7470/pool0\n"
      "  ross-engine --config /etc/ross/ross-engine.toml --check-config\n\n"
      "Stops in order on SIGTERM and SIGINT. ROSS_LOG=debug says more.");
  options.version("ross-engine " ROSS_VERSION);
  options.option("POOL_DIRECTORY", line.pools,
                 "Pools to serve, instead of the configuration's; each by its last component");
  options.option("-c,--config", line.config_path,
                 "The configuration file; ross-engine.toml has every key and its default");
  options.option("--listen", line.listen, "Where the control plane listens (default 127.0.0.1:7470)");
  options.option("--fabric", line.fabrics, "A fabric to offer (shm, tcp, ofi+tcp, ...); may be given several times")
      .one_each();
  options.option("--threads", line.threads, "Threads that serve each pool (default: one for each core, at most 16)")
      .between(0, server::ServerGroup::kServersMax);
  options.flag("--check-config", line.check_only, "Only say whether the configuration is good");
  if (const std::optional<int> ended = options.parse(argc, argv)) return *ended;
  const auto config = configure(line);
  if (!config.has_value()) return daemon::complain(kProgram, config.error(), daemon::kBadInput);
  if (line.check_only) {
    std::printf("the configuration is good: %zu pool%s, control plane at %s\n", config->pools.size(),
                config->pools.size() == 1 ? "" : "s", config->control_listen.c_str());
    return 0;
  }
  std::unique_ptr<Daemon> engine;
  return daemon::serve(kProgram, *config, [&] { return start(*config, engine); });
}

}  // namespace
}  // namespace ross::engine_daemon

int main(int argc, char** argv) {
  try {
    return ross::engine_daemon::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory: the libraries below throw it
    std::fprintf(stderr, "ross-engine: %s\n", error.what());
    return 1;
  }
}
