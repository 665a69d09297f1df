// Authority: a folder from which servers and tenants get what they show each other: who keeps it decides who is who.
//
//   ROSS_TRY(Authority authority, Authority::init("/etc/ross/auth"));
//   ROSS_OK(authority.issue_server("engine", {"10.0.0.7"}, days));      // engine.pem, engine.key
//   ROSS_OK(authority.issue_tenant("training", days));                  // training.pem, training.key
//   ROSS_TRY(std::string token, authority.issue_token("training", {.lifetime_s = 3600}));
//
// The folder: ca.pem and ca.key (certificates), token.pub and token.key (tokens), revoked (revocations.h), issued (a line for each
// certificate), and what was issued. Keys are for their owner alone to read. Servers need ca.pem, token.pub, revoked and their own two.
//
// Certificates: P-256, signed with SHA-256; for servers alone or for clients alone. Errors: EEXIST for what is there already, ENOENT
// for a folder that is none, EINVAL. Threading: owner thread; two programs in one folder at a time may issue under one name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "identity/principal.h"
#include "identity/revocations.h"

namespace ross::identity {

struct Issued {
  std::string serial;
  std::string kind;  // "server", "tenant"
  std::string name;
  std::int64_t issued_s = 0;
  std::int64_t expires_s = 0;
};

struct TokenOptions {
  Access access = Access::kAdmin;
  std::int64_t lifetime_s = 3600;
  bool once = false;
};

class Authority {
 public:
  static constexpr std::int64_t kTokenLifetimeMaxS = 7 * 86400;

  // Makes one in a folder that has none; the folder, too.
  static Result<Authority> init(const std::string& folder, unsigned days, const Clock& clock = system_clock());
  static Result<Authority> open(const std::string& folder, const Clock& clock = system_clock());

  // addresses: the names and numeric addresses by which clients reach it; at least one.
  Result<Issued> issue_server(const std::string& name, const std::vector<std::string>& addresses, unsigned days);
  Result<Issued> issue_tenant(const std::string& name, unsigned days);
  Result<std::string> issue_token(const std::string& tenant, const TokenOptions& options);

  [[nodiscard]] Result<std::vector<Issued>> issued() const;
  [[nodiscard]] Result<Revocations> revocations() const;
  // All that a tenant has until now, and its users. Need not have been issued anything.
  Status revoke_tenant(const std::string& tenant);
  Status revoke_certificate(const std::string& serial);
  Status revoke_token(const std::string& nonce);
  Status restore_tenant(const std::string& tenant);

  [[nodiscard]] std::string path(std::string_view file) const { return folder_ + "/" + std::string(file); }

 private:
  Authority(std::string folder, const Clock& clock) : folder_(std::move(folder)), clock_(&clock) {}
  [[nodiscard]] std::int64_t now_s() const { return clock_->realtime_ns() / 1'000'000'000; }
  Result<Issued> issue(const std::string& kind, const std::string& name, const std::string& alternative_names,
                       unsigned days);

  std::string folder_;
  const Clock* clock_;
};

}  // namespace ross::identity
