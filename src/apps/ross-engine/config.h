// Config: what a ross-engine is told: by a TOML file, and over it by the command line.
//
//   [control]                         [data]
//   listen = "127.0.0.1:7470"         fabrics = ["shm", "tcp"]
//   [tls]                             listen = "127.0.0.1"
//   certificate = "..."               [[pool]]
//   key = "..."                       path = "/srv/ross/pool0"
//   client_authority = "..."          name = "pool0"
//
// ross-engine.toml beside this file has every key, its default and its meaning. A key that is none is an error, so that a
// misspelt one is not silently the default. Threading: immutable.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "server/control/control_server.h"

namespace ross::engine_daemon {

struct PoolConfig {
  std::string path;
  std::string name;  // the path's last component unless told
};

struct Config {
  std::string control_listen = "127.0.0.1:7470";
  server::control::Tls tls;
  std::vector<std::string> fabrics;       // empty: every one that is taken without being asked for
  std::string data_listen = "127.0.0.1";  // numeric, without a port: each fabric takes one that is free
  std::vector<PoolConfig> pools;
  std::uint64_t cache_mib = 128;            // metadata of each pool in memory
  std::uint64_t commit_interval_ms = 1000;  // what nobody synced becomes durable after this long
  // For so long a client that is away keeps its session, and a server started anew waits for its clients.
  std::uint64_t lease_ms = 90'000;
  std::string log_level = "info";
  LogForm log_form = LogForm::kText;
};

// Errors: ENOENT and the like for the file, EINVAL with the line for what is in it.
Result<Config> read_config(const std::string& path);
Result<Config> parse_config(std::string_view text, std::string_view path);
// Names what is missing, checks what belongs together: at least one pool, names that differ, addresses that are numeric, none but
// loopback without TLS, fabrics that exist.
Status complete(Config& config);

}  // namespace ross::engine_daemon
