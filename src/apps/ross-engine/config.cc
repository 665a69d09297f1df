#include "apps/ross-engine/config.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "base/read_file.h"
#include "server/server_group.h"

namespace ross::engine_daemon {

Result<Config> parse_config(std::string_view content, std::string_view path) {
  Config config;
  daemon::Form form;
  form.tables["engine"] = {{"cache_mib", daemon::number(config.cache_mib, 8, 1 << 20)},
                           {"commit_interval_ms", daemon::number(config.commit_interval_ms, 1, 60'000)},
                           {"lease_ms", daemon::number(config.lease_ms, 1, 3'600'000)},
                           {"threads", daemon::number(config.threads, 0, server::ServerGroup::kServersMax)},
                           {"pin", daemon::truth(config.pin)}};
  daemon::TableList& list = form.lists["pool"];
  list.begin_item = [&config] {
    PoolConfig& pool = config.pools.emplace_back();
    return daemon::Keys{{"path", daemon::text(pool.path)}, {"name", daemon::text(pool.name)}};
  };
  list.end_item = [&config]() -> std::string {
    return config.pools.back().path.empty() ? "a pool without a path" : "";
  };
  ROSS_OK(daemon::read_into(config, content, path, std::move(form)));
  return config;
}

Result<Config> read_config(const std::string& path) {
  ROSS_TRY(const std::string content, read_file(path));
  return parse_config(content, path);
}

Status complete(Config& config) {
  if (config.pools.empty()) {
    return Status(EINVAL,
                  "no pool to serve: name a pool's directory, or write [[pool]] path = \"...\" into the configuration");
  }
  std::set<std::string> names;
  for (PoolConfig& pool : config.pools) {
    if (pool.name.empty()) {
      const std::filesystem::path path = std::filesystem::absolute(pool.path).lexically_normal();
      pool.name = path.has_filename() ? path.filename() : path.parent_path().filename();
    }
    ROSS_STATUS(daemon::check_export_name(pool.name, pool.path));
    if (!names.insert(pool.name).second) {
      return Status(EINVAL, fmt::format("two pools are called {}: give one another name", pool.name));
    }
  }
  return daemon::check(config);
}

}  // namespace ross::engine_daemon
