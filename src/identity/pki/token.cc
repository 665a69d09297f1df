#include "identity/pki/token.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <vector>

#include "identity/pki/openssl.h"

namespace ross::identity {
namespace {

constexpr std::string_view kBegin = "ross1.";
constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Context = std::unique_ptr<EVP_MD_CTX, FreedBy<EVP_MD_CTX_free>>;

std::string to_base64(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text.push_back(kDigits[bits >> (count - 6) & 63]);
  }
  if (count > 0) text.push_back(kDigits[bits << (6 - count) & 63]);
  return text;
}

// Bits that belong to no byte have to be zero: a token has one form.
std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if ((count += 6) < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 255));
  }
  if (count >= 6 || (bits & ((1U << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

// The next line's value, if the line has this key.
std::optional<std::string_view> take(std::string_view& claims, std::string_view key) {
  const std::size_t end = claims.find('\n');
  if (end == std::string_view::npos || !claims.starts_with(key) || end <= key.size() || claims[key.size()] != ' ') {
    return std::nullopt;
  }
  const std::string_view value = claims.substr(key.size() + 1, end - key.size() - 1);
  claims.remove_prefix(end + 1);
  return value;
}

bool take_seconds(std::string_view& claims, std::string_view key, std::int64_t& seconds) {
  const auto value = take(claims, key);
  if (!value) return false;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), seconds);
  return error == std::errc() && end == value->data() + value->size() && seconds > 0;
}

Result<TokenFacts> read_claims(std::string_view claims) {
  const auto bad = [] { return fail(EBADMSG, "the token's claims make no sense"); };
  TokenFacts facts;
  Credential& credential = facts.credential;
  credential.kind = Credential::Kind::kToken;
  const auto tenant = take(claims, "tenant");
  const auto word = take(claims, "access");
  const auto access = word ? access_of(*word) : std::nullopt;
  if (!tenant || !is_tenant_name(*tenant) || !access) return bad();
  if (!take_seconds(claims, "issued", credential.issued_s) || !take_seconds(claims, "expires", credential.expires_s)) {
    return bad();
  }
  const auto nonce = take(claims, "nonce");
  if (!nonce || nonce->empty()) return bad();
  credential.once = claims == "once\n";
  if (!credential.once && !claims.empty()) return bad();
  facts.tenant = *tenant;
  credential.access = *access;
  credential.id = *nonce;
  return facts;
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

Result<TokenKeys> make_token_keys() {
  const Key key(::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (key == nullptr) return fail_openssl("making a key");
  const Bio secret(::BIO_new(::BIO_s_mem()));
  const Bio open(::BIO_new(::BIO_s_mem()));
  if (::PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      ::PEM_write_bio_PUBKEY(open.get(), key.get()) != 1) {
    return fail_openssl("writing a key");
  }
  return TokenKeys{.private_pem = text_of(*secret), .public_pem = text_of(*open)};
}

Result<std::string> sign_token(const TokenFacts& facts, std::string_view private_pem) {
  const Key key(::PEM_read_bio_PrivateKey(bio_of(private_pem).get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return fail_openssl("the key for tokens");
  const Credential& credential = facts.credential;
  const std::string claims =
      fmt::format("tenant {}\naccess {}\nissued {}\nexpires {}\nnonce {}\n{}", facts.tenant, to_word(credential.access),
                  credential.issued_s, credential.expires_s, credential.id, credential.once ? "once\n" : "");
  std::string token = std::string(kBegin) + to_base64(claims);
  const Context context(::EVP_MD_CTX_new());
  unsigned char signature[64];
  std::size_t size = sizeof signature;
  if (::EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      ::EVP_DigestSign(context.get(), signature, &size, bytes_of(token), token.size()) != 1) {
    return fail_openssl("signing a token");
  }
  token += "." + to_base64({reinterpret_cast<const char*>(signature), size});
  return token;
}

Result<TokenFacts> verify_token(std::string_view token, std::string_view public_pem) {
  const std::size_t dot = token.rfind('.');
  if (token.size() > kTokenBytesMax || !token.starts_with(kBegin) || dot < kBegin.size()) {
    return fail(EBADMSG, "this is no token of ours");
  }
  const auto claims = from_base64(token.substr(kBegin.size(), dot - kBegin.size()));
  const auto signature = from_base64(token.substr(dot + 1));
  if (!claims || !signature) return fail(EBADMSG, "this is no token of ours");
  const Key key(::PEM_read_bio_PUBKEY(bio_of(public_pem).get(), nullptr, nullptr, nullptr));
  if (key == nullptr) return fail_openssl("the public key for tokens");
  const Context context(::EVP_MD_CTX_new());
  const bool good =
      ::EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      ::EVP_DigestVerify(context.get(), bytes_of(*signature), signature->size(), bytes_of(token), dot) == 1;
  ::ERR_clear_error();
  if (!good) return fail(EACCES, "the token was altered, or another authority signed it");
  return read_claims(*claims);
}

}  // namespace ross::identity
