#include "apps/daemon/tenants.h"

#include <fmt/format.h>

#include "base/read_file.h"
#include "identity/pki/token.h"

namespace ross::daemon {
namespace {

constexpr std::int64_t kRateMax = std::int64_t{1} << 50;

}  // namespace

void add_identity(IdentityConfig& config, Form& form) {
  form.tables["identity"] = {{"clients", text(config.clients)},
                             {"token_key", text(config.token_key)},
                             {"revoked", text(config.revoked)},
                             {"audit", text(config.audit)},
                             {"session_seconds", number(config.session_seconds, 0, 31 * 86'400)}};
  TableList& list = form.lists["tenant"];
  list.begin_item = [&config] {
    identity::Tenant& tenant = config.tenants.emplace_back();
    identity::Limits& limits = tenant.limits;
    return Keys{{"name", text(tenant.name)},
                {"read", texts(tenant.read)},
                {"write", texts(tenant.write)},
                {"admin", texts(tenant.admin)},
                {"on_behalf", texts(tenant.on_behalf)},
                {"uids", numbers(tenant.uids)},
                {"bytes_per_second", number(limits.bytes_per_second, 0, kRateMax)},
                {"bytes_burst", number(limits.bytes_burst, 0, kRateMax)},
                {"ops_per_second", number(limits.ops_per_second, 0, kRateMax)},
                {"ops_burst", number(limits.ops_burst, 0, kRateMax)},
                {"weight", number(tenant.weight, 1, identity::Tenant::kWeightMax)}};
  };
  list.end_item = [&config] { return identity::complaint_about(config.tenants.back()); };
}

Status check(const IdentityConfig& config) {
  if (config.clients != "certificate" && config.clients != "token") {
    return Status(EINVAL, "identity.clients is certificate or token");
  }
  if (config.clients == "token" && (config.token_key.empty() || config.tenants.empty())) {
    return Status(EINVAL, "identity.clients = \"token\" needs identity.token_key and at least one [[tenant]]");
  }
  if (config.tenants.empty() && !(config.token_key.empty() && config.revoked.empty() && config.audit.empty())) {
    return Status(EINVAL, "[identity] is for tenants: write at least one [[tenant]], or leave it out");
  }
  // All but the audit, which only a daemon that runs writes.
  IdentityConfig without_audit = config;
  without_audit.audit.clear();
  const auto directory = open_directory(without_audit);
  return directory.has_value() ? Status() : directory.error();
}

Result<std::shared_ptr<identity::Directory>> open_directory(const IdentityConfig& config) {
  if (config.tenants.empty()) return nullptr;
  identity::Directory::Options options{
      .tenants = config.tenants, .revoked_path = config.revoked, .audit_path = config.audit, .token_key = {}};
  if (!config.token_key.empty()) {
    ROSS_TRY(options.token_key, read_file(config.token_key));
    // A key that is one does not believe a token that was signed by none.
    const auto tried = identity::verify_token("ross1.AAAA.AAAA", options.token_key);
    if (tried.error().error() == EINVAL) {
      return fail(EINVAL,
                  fmt::format("{} is no public key in PEM form: it is token.pub of 'ross auth'", config.token_key));
    }
  }
  return identity::Directory::open(std::move(options));
}

}  // namespace ross::daemon
