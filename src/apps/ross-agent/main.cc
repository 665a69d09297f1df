// ross-agent: stands between hosts and engines. Exit codes: 0 stopped as asked, 1 something failed (told on standard error), 2 a bad
// command line or configuration.
#include <cstdio>
#include <exception>

#include "apps/daemon/serve.h"
#include "apps/options/options.h"
#include "apps/ross-agent/agent.h"
#include "apps/ross-agent/config.h"

namespace ross::agent_daemon {
namespace {

constexpr const char* kProgram = "ross-agent";

struct Line {
  std::string config_path;
  std::vector<std::string> urls;
  std::string listen;
  std::string sockets;
  std::vector<std::string> fabrics;
  std::string placement;
  std::int64_t threads = -1;  // not given
  bool check_only = false;
};

// The file's configuration with the command line over it.
Result<Config> configure(const Line& line) {
  Config config;
  if (!line.config_path.empty()) {
    ROSS_TRY(config, read_config(line.config_path));
  }
  if (!line.urls.empty()) config.exports.clear();
  for (const std::string& url : line.urls) config.exports.emplace_back().url = url;
  if (!line.placement.empty()) {
    for (ExportConfig& exported : config.exports) exported.placement = line.placement;
  }
  if (!line.listen.empty()) config.control_listen = line.listen;
  if (!line.sockets.empty()) config.sockets = line.sockets;
  if (!line.fabrics.empty()) config.fabrics = line.fabrics;
  if (line.threads >= 0) config.threads = static_cast<std::uint64_t>(line.threads);
  ROSS_OK(complete(config));
  return config;
}

Result<daemon::Running> start(const Config& config, std::unique_ptr<Agent>& agent) {
  ROSS_TRY(agent, Agent::start(config));
  return daemon::Running{.urls = agent->exporter().urls(),
                         .fabrics = agent->exporter().fabrics(),
                         .stop = [&agent] { return agent->stop(), Status(); },
                         .stopped = "what hosts hold stays at the engines for their return"};
}

int run(int argc, char** argv) {
  Line line;
  apps::Options options(
      "Stands between hosts and engines, on a SmartNIC or beside the host: hosts use it as they would the engine",
      "ross-agent");
  options.footer(
      "  ross-agent ross://10.0.0.7:7470/pool0      serves ross://127.0.0.1:7470/pool0\n"
      "  ross-agent --config /etc/ross/ross-agent.toml --check-config\n\n"
      "Stops in order on SIGTERM and SIGINT. ROSS_LOG=debug says more.");
  options.version("ross-agent " ROSS_VERSION);
  options.option("URL", line.urls, "Pools of engines to serve, instead of the configuration's; each by its name there");
  options.option("-c,--config", line.config_path,
                 "The configuration file; ross-agent.toml has every key and its default");
  options.option("--listen", line.listen, "Where the control plane listens (default 127.0.0.1:7470)");
  options.option("--sockets", line.sockets, "The folder for sockets of shared memory (default /run/ross-agent)");
  options
      .option("--fabric", line.fabrics,
              "A fabric to offer to hosts (shm, tcp, ofi+tcp, ...); may be given several times")
      .one_each();
  options.option("--placement", line.placement,
                 "Large data: auto or direct (straight between host and engine, where the host reaches it), or staged");
  options.option("--threads", line.threads, "Threads that serve each export (default: one for each core, at most 16)")
      .between(0, server::ServerGroup::kServersMax);
  options.flag("--check-config", line.check_only, "Only say whether the configuration is good");
  if (const std::optional<int> ended = options.parse(argc, argv)) return *ended;
  const auto config = configure(line);
  if (!config.has_value()) return daemon::complain(kProgram, config.error(), daemon::kBadInput);
  if (line.check_only) {
    std::printf("the configuration is good: %zu export%s, control plane at %s\n", config->exports.size(),
                config->exports.size() == 1 ? "" : "s", config->control_listen.c_str());
    return 0;
  }
  std::unique_ptr<Agent> agent;
  return daemon::serve(kProgram, *config, [&] { return start(*config, agent); });
}

}  // namespace
}  // namespace ross::agent_daemon

int main(int argc, char** argv) {
  try {
    return ross::agent_daemon::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory: the libraries below throw it
    std::fprintf(stderr, "ross-agent: %s\n", error.what());
    return 1;
  }
}
