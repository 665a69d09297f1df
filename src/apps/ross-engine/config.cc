#include "apps/ross-engine/config.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "base/read_file.h"
#include "fabric/backends/backends.h"

namespace ross::engine_daemon {
namespace {

// Keys of a table, each with what takes its value; false when the value is of the wrong type or out of range.
using Take = std::function<bool(const toml::node& value)>;
using Keys = std::map<std::string, Take, std::less<>>;

Take text(std::string& into) {
  return [&into](const toml::node& value) {
    const auto found = value.value_exact<std::string>();
    if (found) into = *found;
    return found.has_value();
  };
}
Take number(std::uint64_t& into, std::int64_t least, std::int64_t most) {
  return [&into, least, most](const toml::node& value) {
    const auto found = value.value_exact<std::int64_t>();
    if (!found || *found < least || *found > most) return false;
    into = static_cast<std::uint64_t>(*found);
    return true;
  };
}
Take texts(std::vector<std::string>& into) {
  return [&into](const toml::node& value) {
    const toml::array* const array = value.as_array();
    if (array == nullptr) return false;
    into.clear();
    for (const toml::node& item : *array) {
      const auto found = item.value_exact<std::string>();
      if (!found) return false;
      into.push_back(*found);
    }
    return true;
  };
}

Status wrong(std::string_view path, const toml::node& where, std::string_view what) {
  return Status(EINVAL, fmt::format("{} line {}: {}", path, where.source().begin.line, what));
}

Status take_table(std::string_view path, std::string_view name, const toml::node& node, const Keys& keys) {
  const toml::table* const table = node.as_table();
  if (table == nullptr) return wrong(path, node, fmt::format("{} is a table: write [{}]", name, name));
  for (const auto& [key, value] : *table) {
    const auto found = keys.find(key.str());
    if (found == keys.end()) {
      std::string known;
      for (const auto& [each, take] : keys) known += (known.empty() ? "" : ", ") + each;
      return wrong(path, value, fmt::format("[{}] has no key '{}': it has {}", name, key.str(), known));
    }
    if (!found->second(value))
      return wrong(path, value, fmt::format("{}.{} has a value that cannot be", name, key.str()));
  }
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view content, std::string_view path) {
  toml::table root;
  try {
    root = toml::parse(content, path);
  } catch (const toml::parse_error& error) {
    return fail(EINVAL,
                fmt::format("{} line {} is not TOML: {}", path, error.source().begin.line, error.description()));
  }
  Config config;
  const Keys control{{"listen", text(config.control_listen)}};
  const Keys tls{{"certificate", text(config.tls.certificate)},
                 {"key", text(config.tls.key)},
                 {"client_authority", text(config.tls.client_authority)}};
  const Keys data{{"fabrics", texts(config.fabrics)}, {"listen", text(config.data_listen)}};
  const Keys engine{{"cache_mib", number(config.cache_mib, 8, 1 << 20)},
                    {"commit_interval_ms", number(config.commit_interval_ms, 1, 60'000)},
                    {"lease_ms", number(config.lease_ms, 1, 3'600'000)}};
  std::string form = "text";
  const Keys log{{"level", text(config.log_level)}, {"form", text(form)}};
  const std::map<std::string_view, const Keys*> tables{
      {"control", &control}, {"tls", &tls}, {"data", &data}, {"engine", &engine}, {"log", &log}};
  for (const auto& [key, value] : root) {
    if (key.str() == "pool") {
      const toml::array* const pools = value.as_array();
      if (pools == nullptr) return fail(wrong(path, value, "pools are a list: write [[pool]]"));
      for (const toml::node& item : *pools) {
        PoolConfig pool;
        ROSS_OK(take_table(path, "[pool]", item, {{"path", text(pool.path)}, {"name", text(pool.name)}}));
        if (pool.path.empty()) return fail(wrong(path, item, "a pool without a path"));
        config.pools.push_back(std::move(pool));
      }
      continue;
    }
    const auto found = tables.find(key.str());
    if (found == tables.end()) {
      return fail(
          wrong(path, value,
                fmt::format("there is no [{}]: there are control, data, engine, log, tls and [[pool]]", key.str())));
    }
    ROSS_OK(take_table(path, key.str(), value, *found->second));
  }
  if (!is_log_level(config.log_level)) {
    return fail(EINVAL, fmt::format("{}: log.level is one of debug, info, warn, error, off", path));
  }
  if (form != "text" && form != "json") return fail(EINVAL, fmt::format("{}: log.form is text or json", path));
  config.log_form = form == "json" ? LogForm::kJson : LogForm::kText;
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
    if (pool.name.empty() || pool.name.find('/') != std::string::npos) {
      return Status(EINVAL, fmt::format("pool {} needs a name without '/'", pool.path));
    }
    if (!names.insert(pool.name).second) {
      return Status(EINVAL, fmt::format("two pools are called {}: give one another name", pool.name));
    }
  }
  for (const std::string& name : config.fabrics) {
    const auto backend = fabric::find_backend(name);
    if (!backend.has_value()) return backend.error();
    if (!(*backend)->missing.empty()) return Status(ENOTSUP, fmt::format("{}: {}", name, (*backend)->missing));
  }
  const std::string data =
      config.data_listen.find(':') == std::string::npos ? config.data_listen + ":0" : "[" + config.data_listen + "]:0";
  for (const std::string& address : {config.control_listen, data}) {
    const auto loopback = server::control::is_loopback(address);
    if (!loopback.has_value()) return loopback.error();
    if (!*loopback && !config.tls.on()) {
      return Status(
          EINVAL, fmt::format("{} can be reached from other machines, which needs TLS: set [tls] certificate, key and "
                              "client_authority, or listen on 127.0.0.1",
                              address));
    }
  }
  if (config.tls.on() && (config.tls.key.empty() || config.tls.client_authority.empty())) {
    return Status(EINVAL, "TLS needs [tls] certificate, key and client_authority, all three");
  }
  return {};
}

}  // namespace ross::engine_daemon
