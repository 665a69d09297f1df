#include "identity/pki/authority.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <tuple>
#include <utility>

#include "base/random_bytes.h"
#include "base/read_file.h"
#include "identity/pki/openssl.h"
#include "identity/pki/token.h"

namespace ross::identity {
namespace {

constexpr std::int64_t kDayS = 86400;

std::string random_hex(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  fill_random(bytes);
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x7f) | 0x40);  // a serial number is positive, and has one length
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02X}", byte);
  return text;
}

// A new file with all of the text; EEXIST. Or more at the end of one.
Status write_file(const std::string& path, std::string_view text, mode_t mode, int flags = O_EXCL) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
  if (fd < 0) return Status(errno).with_context(path);
  const ssize_t wrote = ::write(fd, text.data(), text.size());
  const bool good = wrote == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  return good ? Status() : Status(wrote >= 0 ? ENOSPC : error).with_context(path);
}

bool add_extension(X509& certificate, X509& issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, FreedBy<X509_EXTENSION_free>> made(
      ::X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return made != nullptr && ::X509_add_ext(&certificate, made.get(), -1) == 1;
}

struct Wanted {
  std::string common_name;
  std::string serial;
  std::int64_t begins_s = 0;
  std::int64_t ends_s = 0;
  std::vector<std::pair<int, std::string>> extensions;
};

// issuer null: it signs itself.
Result<Certificate> make_certificate(const Wanted& wanted, EVP_PKEY& own, X509* issuer, EVP_PKEY& issuers) {
  Certificate made(::X509_new());
  BIGNUM* number = nullptr;
  ::BN_hex2bn(&number, wanted.serial.c_str());
  const std::unique_ptr<BIGNUM, FreedBy<BN_free>> serial(number);
  X509_NAME* const subject = ::X509_get_subject_name(made.get());
  const auto* const name = reinterpret_cast<const unsigned char*>(wanted.common_name.c_str());
  bool good = ::X509_set_version(made.get(), X509_VERSION_3) == 1 && serial != nullptr &&
              ::BN_to_ASN1_INTEGER(serial.get(), ::X509_get_serialNumber(made.get())) != nullptr &&
              ::ASN1_TIME_set(::X509_getm_notBefore(made.get()), wanted.begins_s) != nullptr &&
              ::ASN1_TIME_set(::X509_getm_notAfter(made.get()), wanted.ends_s) != nullptr &&
              ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0) == 1 &&
              ::X509_set_issuer_name(made.get(), issuer == nullptr ? subject : ::X509_get_subject_name(issuer)) == 1 &&
              ::X509_set_pubkey(made.get(), &own) == 1;
  X509& signs = issuer == nullptr ? *made : *issuer;
  for (const auto& [nid, value] : wanted.extensions) good = good && add_extension(*made, signs, nid, value);
  if (!good || ::X509_sign(made.get(), &issuers, ::EVP_sha256()) == 0) return fail_openssl("making a certificate");
  return made;
}

Result<Key> new_key() {
  Key key(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  if (key == nullptr) return fail_openssl("making a key");
  return key;
}

Result<std::string> pem_of(EVP_PKEY& key) {
  const Bio bio(::BIO_new(::BIO_s_mem()));
  if (::PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return fail_openssl("writing a key");
  }
  return text_of(*bio);
}

Result<std::string> pem_of(X509& certificate) {
  const Bio bio(::BIO_new(::BIO_s_mem()));
  if (::PEM_write_bio_X509(bio.get(), &certificate) != 1) return fail_openssl("writing a certificate");
  return text_of(*bio);
}

bool is_numeric(const std::string& address) {
  in6_addr any{};
  return ::inet_pton(AF_INET, address.c_str(), &any) == 1 || ::inet_pton(AF_INET6, address.c_str(), &any) == 1;
}

}  // namespace

Result<Authority> Authority::init(const std::string& folder, unsigned days, const Clock& clock) {
  Authority made(folder, clock);
  std::error_code error;
  if (std::filesystem::exists(made.path("ca.pem"), error)) {
    return fail(EEXIST, fmt::format("{} has an authority already", folder));
  }
  std::filesystem::create_directories(folder, error);
  if (error) return fail(error.value(), fmt::format("cannot make {}: {}", folder, error.message()));
  ROSS_TRY(const Key key, new_key());
  const Wanted wanted{.common_name = "ROSS authority",
                      .serial = random_hex(16),
                      .begins_s = made.now_s(),
                      .ends_s = made.now_s() + days * kDayS,
                      .extensions = {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                                     {NID_key_usage, "critical,keyCertSign,cRLSign"},
                                     {NID_subject_key_identifier, "hash"}}};
  ROSS_TRY(const Certificate certificate, make_certificate(wanted, *key, nullptr, *key));
  ROSS_TRY(const std::string key_pem, pem_of(*key));
  ROSS_TRY(const std::string pem, pem_of(*certificate));
  ROSS_TRY(const TokenKeys tokens, make_token_keys());
  ROSS_OK(write_file(made.path("ca.key"), key_pem, 0600));
  ROSS_OK(write_file(made.path("token.key"), tokens.private_pem, 0600));
  ROSS_OK(write_file(made.path("token.pub"), tokens.public_pem, 0644));
  ROSS_OK(write_file(made.path("issued"), "", 0644));
  ROSS_OK(Revocations().write(made.path("revoked")));
  ROSS_OK(write_file(made.path("ca.pem"), pem, 0644));  // the last: whoever has it has all
  return made;
}

Result<Authority> Authority::open(const std::string& folder, const Clock& clock) {
  Authority found(folder, clock);
  if (::access(found.path("ca.pem").c_str(), R_OK) != 0) {
    return fail(errno, fmt::format("{} has no authority: make one with 'ross auth init --folder {}'", folder, folder));
  }
  return found;
}

Result<Issued> Authority::issue(const std::string& kind, const std::string& name, const std::string& alternative_names,
                                unsigned days) {
  if (!is_tenant_name(name)) {
    return fail(EINVAL, fmt::format("'{}' cannot be a name: write letters, digits, '.', '_' and '-'", name));
  }
  if (name == "ca" || name == "token") return fail(EINVAL, fmt::format("'{}' is the authority's own name", name));
  ROSS_TRY(const std::string issuer_pem, read_file(path("ca.pem")));
  ROSS_TRY(const std::string issuer_key_pem, read_file(path("ca.key")));
  const Certificate issuer(::PEM_read_bio_X509(bio_of(issuer_pem).get(), nullptr, nullptr, nullptr));
  const Key issuers(::PEM_read_bio_PrivateKey(bio_of(issuer_key_pem).get(), nullptr, nullptr, nullptr));
  if (issuer == nullptr || issuers == nullptr) return fail_openssl("reading the authority's certificate and key");
  ROSS_TRY(const Revocations revoked, revocations());
  const std::int64_t begins_s = std::max(now_s(), revoked.tenant_revoked_until_s(name) + 1);
  const Issued issued{.serial = random_hex(16),
                      .kind = kind,
                      .name = name,
                      .issued_s = begins_s,
                      .expires_s = begins_s + std::int64_t{days} * kDayS};
  const Wanted wanted{.common_name = name,
                      .serial = issued.serial,
                      .begins_s = begins_s,
                      .ends_s = issued.expires_s,
                      .extensions = {{NID_basic_constraints, "critical,CA:FALSE"},
                                     {NID_key_usage, "critical,digitalSignature"},
                                     {NID_ext_key_usage, kind == "server" ? "serverAuth" : "clientAuth"},
                                     {NID_subject_alt_name, alternative_names}}};
  ROSS_TRY(const Key key, new_key());
  ROSS_TRY(const Certificate certificate, make_certificate(wanted, *key, issuer.get(), *issuers));
  ROSS_TRY(const std::string key_pem, pem_of(*key));
  ROSS_TRY(const std::string pem, pem_of(*certificate));
  // A name that was issued before gets a new pair in place of the old one.
  for (const auto& [file, text, mode] :
       {std::tuple(name + ".key", &key_pem, 0600), std::tuple(name + ".pem", &pem, 0644)}) {
    const std::string beside = path(file) + ".new";
    ::unlink(beside.c_str());
    ROSS_OK(write_file(beside, *text, static_cast<mode_t>(mode)));
    if (::rename(beside.c_str(), path(file).c_str()) != 0) return fail(Status(errno).with_context(path(file)));
  }
  ROSS_OK(write_file(
      path("issued"),
      fmt::format("{} {} {} {} {}\n", issued.serial, issued.kind, issued.name, issued.issued_s, issued.expires_s), 0644,
      O_APPEND));
  return issued;
}

Result<Issued> Authority::issue_server(const std::string& name, const std::vector<std::string>& addresses,
                                       unsigned days) {
  if (addresses.empty()) return fail(EINVAL, "a server's certificate needs the addresses by which it is reached");
  std::string names;
  for (const std::string& address : addresses) {
    if (address.empty() || address.find_first_of(",\n ") != std::string::npos) {
      return fail(EINVAL, fmt::format("'{}' is no address", address));
    }
    names += fmt::format("{}{}:{}", names.empty() ? "" : ",", is_numeric(address) ? "IP" : "DNS", address);
  }
  return issue("server", name, names, days);
}

Result<Issued> Authority::issue_tenant(const std::string& name, unsigned days) {
  return issue("tenant", name, "URI:ross:tenant:" + name, days);
}

Result<std::string> Authority::issue_token(const std::string& tenant, const TokenOptions& options) {
  if (!is_tenant_name(tenant)) return fail(EINVAL, fmt::format("'{}' cannot be a tenant's name", tenant));
  if (options.lifetime_s <= 0 || options.lifetime_s > kTokenLifetimeMaxS) {
    return fail(EINVAL, fmt::format("a token lives for 1 to {} seconds", kTokenLifetimeMaxS));
  }
  ROSS_TRY(const std::string key, read_file(path("token.key")));
  ROSS_TRY(const Revocations revoked, revocations());
  const std::int64_t issued_s = std::max(now_s(), revoked.tenant_revoked_until_s(tenant) + 1);
  return sign_token({.tenant = tenant,
                     .credential = {.kind = Credential::Kind::kToken,
                                    .id = random_hex(16),
                                    .issued_s = issued_s,
                                    .expires_s = issued_s + options.lifetime_s,
                                    .once = options.once,
                                    .access = options.access}},
                    key);
}

Result<std::vector<Issued>> Authority::issued() const {
  ROSS_TRY(const std::string text, read_file(path("issued")));
  std::vector<Issued> all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::vector<std::string> words(1);
    for (const char c : text.substr(at, end - at)) {
      if (c == ' ') {
        words.emplace_back();
      } else {
        words.back().push_back(c);
      }
    }
    at = end + 1;
    Issued one;
    if (words.size() != 5) return fail(EINVAL, fmt::format("{} has a line that is none of ours", path("issued")));
    one = {.serial = words[0], .kind = words[1], .name = words[2]};
    std::from_chars(words[3].data(), words[3].data() + words[3].size(), one.issued_s);
    std::from_chars(words[4].data(), words[4].data() + words[4].size(), one.expires_s);
    all.push_back(std::move(one));
  }
  return all;
}

Result<Revocations> Authority::revocations() const { return Revocations::read(path("revoked")); }

Status Authority::revoke_tenant(const std::string& tenant) {
  if (!is_tenant_name(tenant)) return Status(EINVAL, fmt::format("'{}' cannot be a tenant's name", tenant));
  Result<Revocations> list = revocations();
  if (!list.has_value()) return list.error();
  list->revoke_tenant(tenant, now_s());
  return list->write(path("revoked"));
}

Status Authority::revoke_certificate(const std::string& serial) {
  const auto all = issued();
  if (!all.has_value()) return all.error();
  if (std::ranges::find(*all, serial, &Issued::serial) == all->end()) {
    return Status(ENOENT, fmt::format("no certificate {} was issued here: see 'ross auth list'", serial));
  }
  Result<Revocations> list = revocations();
  if (!list.has_value()) return list.error();
  list->revoke_certificate(serial);
  return list->write(path("revoked"));
}

Status Authority::revoke_token(const std::string& nonce) {
  Result<Revocations> list = revocations();
  if (!list.has_value()) return list.error();
  list->revoke_token(nonce);
  return list->write(path("revoked"));
}

Status Authority::restore_tenant(const std::string& tenant) {
  Result<Revocations> list = revocations();
  if (!list.has_value()) return list.error();
  if (!list->restore_tenant(tenant)) return Status(ENOENT, fmt::format("tenant {} is not revoked", tenant));
  return list->write(path("revoked"));
}

}  // namespace ross::identity
