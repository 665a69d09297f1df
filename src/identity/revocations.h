// Revocations: what is not believed any more although its time is not over: a text file, one a line, which `ross auth revoke` writes
// and servers read.
//
//   tenant training 1790000000        # all that the tenant was given until that second (since 1970), and its users
//   before training 1790000000        # the same, but not its users: it was restored
//   certificate 4F1C09                # a serial number, hexadecimal
//   token 9b07c3...                   # a nonce
//
// Threading: owner thread; const is any thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/status.h"
#include "identity/principal.h"

namespace ross::identity {

class Revocations {
 public:
  // EINVAL with the line. path: as errors name it.
  static Result<Revocations> parse(std::string_view text, std::string_view path);
  // Those of a file; a file that is not there is ENOENT.
  static Result<Revocations> read(const std::string& path);
  // Puts the file in place of what is there, whole or not at all.
  [[nodiscard]] Status write(const std::string& path) const;
  [[nodiscard]] std::string text() const;

  void revoke_tenant(const std::string& name, std::int64_t until_s) { tenants_[name] = {until_s, false}; }
  void revoke_certificate(std::string serial) { credentials_.insert("certificate " + std::move(serial)); }
  void revoke_token(std::string nonce) { credentials_.insert("token " + std::move(nonce)); }
  // Its users are believed again; what it was given before stays revoked. False: it was not revoked.
  bool restore_tenant(const std::string& name);

  // 0: not revoked.
  [[nodiscard]] std::int64_t tenant_revoked_until_s(const std::string& name) const;
  [[nodiscard]] bool revoked(const Principal& who) const;
  // A certificate by its serial number. tenant: empty for a server's.
  [[nodiscard]] bool revoked(const std::string& serial, const std::string& tenant, std::int64_t issued_s) const;
  [[nodiscard]] bool operator==(const Revocations&) const = default;

 private:
  struct Until {
    std::int64_t second = 0;
    bool restored = false;
    bool operator==(const Until&) const = default;
  };
  // issued_s 0: not known.
  [[nodiscard]] bool revoked(const std::string& tenant, std::int64_t issued_s) const;
  std::map<std::string, Until> tenants_;
  std::set<std::string> credentials_;  // by their text
};

}  // namespace ross::identity
