// Config: what a ross-engine is told: by a TOML file, and over it by the command line.
//
//   [[pool]]                          [engine]
//   path = "/srv/ross/pool0"          cache_mib = 128
//   name = "pool0"
//
// and what every daemon is told (apps/daemon/config.h). ross-engine.toml beside this file has every key, its default and its
// meaning. Threading: immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/daemon/config.h"

namespace ross::engine_daemon {

struct PoolConfig {
  std::string path;
  std::string name;  // the path's last component unless told
};

struct Config : daemon::Config {
  std::vector<PoolConfig> pools;
  std::uint64_t cache_mib = 128;            // metadata of each pool in memory
  std::uint64_t commit_interval_ms = 1000;  // what nobody synced becomes durable after this long
  // For so long a client that is away keeps its session, and a server started anew waits for its clients.
  std::uint64_t lease_ms = 90'000;
  std::uint64_t threads = 0;  // that serve each pool; 0: one for each core
  bool pin = false;           // each to a core of its own
};

// Errors: ENOENT and the like for the file, EINVAL with the line for what is in it.
Result<Config> read_config(const std::string& path);
Result<Config> parse_config(std::string_view text, std::string_view path);
// Names what is missing, checks what belongs together: at least one pool, names that differ, and daemon::check().
Status complete(Config& config);

}  // namespace ross::engine_daemon
