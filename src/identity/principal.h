// Principal: who a caller is taken for, by what it showed: the tenant, and the credential that says so.
//
// Threading: immutable.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "identity/tenant.h"

namespace ross::identity {

// What a caller showed. Its text is also the line that revokes it: "certificate 4F1C...", "token 9b07...".
struct Credential {
  enum class Kind : std::uint8_t { kNone, kUser, kCertificate, kToken };
  Kind kind = Kind::kNone;
  std::string id;                  // a uid, a serial number, a nonce
  std::int64_t issued_s = 0;       // since 1970; 0: not known
  std::int64_t expires_s = 0;      // 0: does not
  bool once = false;               // a token for one session
  Access access = Access::kAdmin;  // a token's upper bound
  [[nodiscard]] std::string text() const;
};

struct Principal {
  // Shared by all who are taken for it. Null: no tenant, and no bounds but those of users: a server without tenants, or its operator.
  std::shared_ptr<const Tenant> tenant;
  Access most = Access::kAdmin;  // whatever the tenant may
  Credential credential;
  std::string agent;  // the tenant that speaks for it; empty: itself

  [[nodiscard]] bool bounded() const { return tenant != nullptr; }
  [[nodiscard]] std::string_view name() const { return tenant == nullptr ? std::string_view() : tenant->name; }
  [[nodiscard]] Access access(std::string_view pool, std::string_view container) const {
    return tenant == nullptr ? Access::kAdmin : std::min(most, tenant->access(pool, container));
  }
  [[nodiscard]] bool uses(std::string_view pool) const { return tenant == nullptr || tenant->uses(pool); }
};

}  // namespace ross::identity
