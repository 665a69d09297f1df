#include "apps/ross-agent/config.h"

#include <fmt/format.h>

#include <set>

#include "attach/attach.h"
#include "base/read_file.h"
#include "server/server_group.h"

namespace ross::agent_daemon {

Result<Config> parse_config(std::string_view content, std::string_view path) {
  Config config;
  daemon::Form form;
  form.tables["data"] = {{"sockets", daemon::text(config.sockets)}};
  form.tables["engine"] = {{"authority", daemon::text(config.engine_tls.authority)},
                           {"certificate", daemon::text(config.engine_tls.certificate)},
                           {"key", daemon::text(config.engine_tls.key)},
                           {"token_file", daemon::text(config.engine_tls.token_file)},
                           {"outage_seconds", daemon::number(config.outage_seconds, 0, 86'400)}};
  form.tables["agent"] = {{"lease_ms", daemon::number(config.lease_ms, 1, 3'600'000)},
                          {"threads", daemon::number(config.threads, 0, server::ServerGroup::kServersMax)},
                          {"pin", daemon::truth(config.pin)}};
  daemon::TableList& list = form.lists["export"];
  list.begin_item = [&config] {
    ExportConfig& exported = config.exports.emplace_back();
    return daemon::Keys{{"url", daemon::text(exported.url)},
                        {"name", daemon::text(exported.name)},
                        {"placement", daemon::text(exported.placement)},
                        {"staged_containers", daemon::texts(exported.staged_containers)}};
  };
  list.end_item = [&config]() -> std::string {
    return config.exports.back().url.empty() ? "an export without a url" : "";
  };
  ROSS_OK(daemon::read_into(config, content, path, std::move(form)));
  return config;
}

Result<Config> read_config(const std::string& path) {
  ROSS_TRY(const std::string content, read_file(path));
  return parse_config(content, path);
}

Result<server::Placement> placement_of(std::string_view word) {
  if (word == "auto") return server::Placement::kAuto;
  if (word == "direct") return server::Placement::kDirect;
  if (word == "staged") return server::Placement::kStaged;
  return fail(EINVAL, fmt::format("placement = \"{}\" is none: write auto, direct or staged", word));
}

Status complete(Config& config) {
  if (config.exports.empty()) {
    return Status(
        EINVAL,
        "no pool to serve: name an engine's, as in ross://10.0.0.7:7470/pool0, or write [[export]] url = \"...\" "
        "into the configuration");
  }
  std::set<std::string> names;
  for (ExportConfig& exported : config.exports) {
    const auto url = attach::parse_url(exported.url, false);
    if (!url.has_value()) return url.error().with_context(exported.url);
    if (url->scheme != "ross") {
      return Status(EINVAL, fmt::format("{} is no engine's pool: write ross://HOST:PORT/POOL", exported.url));
    }
    if (exported.name.empty()) exported.name = url->pool;
    ROSS_STATUS(daemon::check_export_name(exported.name, exported.url));
    if (const auto placement = placement_of(exported.placement); !placement.has_value()) return placement.error();
    if (!names.insert(exported.name).second) {
      return Status(EINVAL, fmt::format("two exports are called {}: give one another name", exported.name));
    }
  }
  if (config.sockets.empty()) return Status(EINVAL, "data.sockets names no folder");
  client::ClientTls& tls = config.engine_tls;
  if (tls.authority.empty() && tls.certificate.empty() && tls.key.empty()) {
    const std::string token_file = tls.token_file;
    tls = client::tls_from_environment();
    if (!token_file.empty()) tls.token_file = token_file;
  } else if (tls.authority.empty() || tls.certificate.empty() || tls.key.empty()) {
    return Status(EINVAL, "TLS towards engines needs [engine] authority, certificate and key, all three");
  }
  return daemon::check(config);
}

}  // namespace ross::agent_daemon
