// Config: what a ross-agent is told: by a TOML file, and over it by the command line.
//
//   [[export]]                                  [engine]
//   url = "ross://10.0.0.7:7470/pool0"          authority = "/etc/ross/ca.pem"
//   name = "pool0"                              ...
//
// and what every daemon is told (apps/daemon/config.h). ross-agent.toml beside this file has every key, its default and its
// meaning. Threading: immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/daemon/config.h"
#include "client/control.h"
#include "server/server.h"

namespace ross::agent_daemon {

struct ExportConfig {
  std::string url;                             // of a pool of an engine
  std::string name;                            // the pool's at the engine unless told
  std::string placement = "auto";              // placement_of()
  std::vector<std::string> staged_containers;  // of the pool: whose data is staged in any case
};

struct Config : daemon::Config {
  std::vector<ExportConfig> exports;
  std::string sockets = "/run/ross-agent";
  client::ClientTls engine_tls;
  std::uint64_t outage_seconds = 60;
  std::uint64_t lease_ms = 90'000;
  std::uint64_t threads = 0;  // that serve the hosts of each export; 0: one for each core
  bool pin = false;           // each to a core of its own
};

// Errors: ENOENT and the like for the file, EINVAL with the line for what is in it.
Result<Config> read_config(const std::string& path);
Result<Config> parse_config(std::string_view text, std::string_view path);
// "auto", "direct" or "staged"; EINVAL.
Result<server::Placement> placement_of(std::string_view word);
// Names what is missing, checks what belongs together: at least one export, URLs of pools, names that differ, and daemon::check().
Status complete(Config& config);

}  // namespace ross::agent_daemon
