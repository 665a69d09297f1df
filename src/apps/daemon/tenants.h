// Tenants in the configuration of a daemon.
//
//   [identity]                              [[tenant]]
//   revoked = "/etc/ross/auth/revoked"      name = "training"
//   ...                                     write = ["pool0/train-*"]
//
// Threading: immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/daemon/toml_tables.h"
#include "base/status.h"
#include "identity/directory.h"

namespace ross::daemon {

struct IdentityConfig {
  std::vector<identity::Tenant> tenants;  // none: users are the only bounds
  std::string clients = "certificate";    // over TLS; or "token"
  std::string token_key;
  std::string revoked;
  std::string audit;
  std::uint64_t session_seconds = 3600;
};

// Adds the tables to a form.
void add_identity(IdentityConfig& config, Form& form);
// Whether it belongs together, and files that it names can be read: EINVAL, and errors of the files.
Status check(const IdentityConfig& config);
// What servers ask. Null without tenants. Errors: those of check(), and of opening the audit.
Result<std::shared_ptr<identity::Directory>> open_directory(const IdentityConfig& config);

}  // namespace ross::daemon
