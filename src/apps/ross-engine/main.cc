// ross-engine: serves pools of this machine. Exit codes: 0 stopped as asked, 1 something failed (told on standard error), 2 a bad
// command line or configuration.
#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "apps/ross-engine/config.h"
#include "apps/ross-engine/daemon.h"
#include "apps/ross-engine/notify.h"

namespace ross::engine_daemon {
namespace {

constexpr int kBadInput = 2;

struct Line {
  std::string config_path;
  std::vector<std::string> pools;
  std::string listen;
  std::vector<std::string> fabrics;
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
  ROSS_OK(complete(config));
  return config;
}

int tell(const Status& status, int exit_code) {
  std::fprintf(stderr, "ross-engine: %s\n", status.message().c_str());
  return exit_code;
}

int serve(const Config& config) {
  // Before the first thread, so that every thread has them blocked and this one waits for them.
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  configure_log(config.log_level, config.log_form);

  auto daemon = Daemon::start(config);
  if (!daemon.has_value()) return tell(daemon.error(), 1);
  std::string urls;
  for (const PoolConfig& pool : config.pools) urls += " ross://" + (*daemon)->address() + "/" + pool.name;
  log().info("serving{} by {}", urls, (*daemon)->fabrics());
  notify_systemd("READY=1\nSTATUS=serving" + urls);
  int signal = 0;
  while (::sigwait(&signals, &signal) != 0) {
  }
  log().info("stopping: signal {}", signal);
  notify_systemd("STOPPING=1");
  const Status status = (*daemon)->stop();
  if (!status.ok()) return tell(status, 1);
  log().info("stopped; every pool is synced and closed");
  return 0;
}

int run(int argc, char** argv) {
  Line line;
  CLI::App app("Serves pools of this machine to ross:// URLs", "ross-engine");
  app.footer(
      "  ross-engine /srv/ross/pool0            serves ross://127.0.0.1:7470/pool0\n"
      "  ross-engine --config /etc/ross/ross-engine.toml --check-config\n\n"
      "Stops in order on SIGTERM and SIGINT. ROSS_LOG=debug says more.");
  app.set_version_flag("--version", "ross-engine " ROSS_VERSION);
  app.add_option("POOL_DIRECTORY", line.pools,
                 "Pools to serve, instead of the configuration's; each by its last component");
  app.add_option("-c,--config", line.config_path,
                 "The configuration file; ross-engine.toml has every key and its default");
  app.add_option("--listen", line.listen, "Where the control plane listens (default 127.0.0.1:7470)");
  app.add_option("--fabric", line.fabrics, "A fabric to offer (shm, tcp, ofi+tcp, ...); may be given several times")
      ->allow_extra_args(false);
  app.add_flag("--check-config", line.check_only, "Only say whether the configuration is good");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadInput;
  }
  const auto config = configure(line);
  if (!config.has_value()) return tell(config.error(), kBadInput);
  if (line.check_only) {
    std::printf("the configuration is good: %zu pool%s, control plane at %s\n", config->pools.size(),
                config->pools.size() == 1 ? "" : "s", config->control_listen.c_str());
    return 0;
  }
  return serve(*config);
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
