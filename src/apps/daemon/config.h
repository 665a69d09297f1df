// Config: what every daemon is told: where hosts reach it, by what, and what it writes into its log. A daemon's own configuration
// adds to it.
//
//   [control]                         [data]
//   listen = "127.0.0.1:7470"         fabrics = ["shm", "tcp"]
//   [tls]                             listen = "127.0.0.1"
//   certificate = "..."               [log]
//   key = "..."                       level = "info"
//   client_authority = "..."          form = "text"
//
// and tenants (tenants.h).
//
// Threading: immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/daemon/tenants.h"
#include "apps/daemon/toml_tables.h"
#include "base/log.h"
#include "base/status.h"
#include "server/control/control_server.h"

namespace ross::daemon {

struct Config {
  std::string control_listen = "127.0.0.1:7470";
  server::control::Tls tls;
  IdentityConfig identity;
  std::vector<std::string> fabrics;       // empty: every one that is taken without being asked for
  std::string data_listen = "127.0.0.1";  // numeric, without a port: each fabric takes one that is free
  std::string log_level = "info";
  LogForm log_form = LogForm::kText;
};

// Takes a file apart that has these tables and those of the form.
Status read_into(Config& config, std::string_view content, std::string_view path, Form form);
// Whether it belongs together: addresses that are numeric, none but loopback without TLS, fabrics that exist. EINVAL, ENOTSUP.
Status check(const Config& config);
// Whether a pool can be served by this name: EINVAL otherwise. place: what it is the name of.
Status check_export_name(std::string_view name, std::string_view place);

}  // namespace ross::daemon
