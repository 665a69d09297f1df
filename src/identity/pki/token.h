// Signed tokens: short-lived credentials that need no certificate: "ross1.CLAIMS.SIGNATURE".
//
//   ROSS_TRY(std::string token, sign_token({.tenant = "training", .credential = credential}, private_pem));
//   ROSS_TRY(TokenFacts facts, verify_token(token, public_pem));      // the signature; times are the directory's to judge
//
// CLAIMS are lines "tenant NAME", "access read", "issued SECONDS", "expires SECONDS", "nonce HEX" and maybe "once", in this order, and
// SIGNATURE is Ed25519's over "ross1.CLAIMS" as it is written; both in base64 for URLs, without padding. Whoever holds a token may use it:
// it travels only where nobody listens (TLS, or one machine). Threading: any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "identity/principal.h"

namespace ross::identity {

inline constexpr std::size_t kTokenBytesMax = 4096;

struct TokenFacts {
  std::string tenant;
  Credential credential;  // kind kToken: nonce, times, access, once
};
// A private and a public key, in PEM form.
struct TokenKeys {
  std::string private_pem;
  std::string public_pem;
};
Result<TokenKeys> make_token_keys();
// Errors: EINVAL for a key that is none.
Result<std::string> sign_token(const TokenFacts& facts, std::string_view private_pem);
// EACCES when it was not signed with the key of public_pem; EBADMSG for what is no token, EINVAL for what is no key.
Result<TokenFacts> verify_token(std::string_view token, std::string_view public_pem);

}  // namespace ross::identity
