#include "apps/daemon/config.h"

#include <fmt/format.h>

#include "fabric/backends/backends.h"
#include "server/control/loopback.h"

namespace ross::daemon {

Status read_into(Config& config, std::string_view content, std::string_view path, Form form) {
  std::string log_form = config.log_form == LogForm::kJson ? "json" : "text";
  form.tables["control"] = {{"listen", text(config.control_listen)}};
  form.tables["tls"] = {{"certificate", text(config.tls.certificate)},
                        {"key", text(config.tls.key)},
                        {"client_authority", text(config.tls.client_authority)}};
  form.tables["data"].insert({{"fabrics", texts(config.fabrics)}, {"listen", text(config.data_listen)}});
  form.tables["log"] = {{"level", text(config.log_level)}, {"form", text(log_form)}};
  add_identity(config.identity, form);
  ROSS_STATUS(take_apart(content, path, form));
  if (!is_log_level(config.log_level)) {
    return Status(EINVAL, fmt::format("{}: log.level is one of debug, info, warn, error, off", path));
  }
  if (log_form != "text" && log_form != "json") {
    return Status(EINVAL, fmt::format("{}: log.form is text or json", path));
  }
  config.log_form = log_form == "json" ? LogForm::kJson : LogForm::kText;
  return {};
}

Status check(const Config& config) {
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
  return check(config.identity);
}

Status check_export_name(std::string_view name, std::string_view place) {
  if (!name.empty() && name.find('/') == std::string_view::npos) return {};
  return Status(EINVAL, fmt::format("pool {} needs a name without '/'", place));
}

}  // namespace ross::daemon
