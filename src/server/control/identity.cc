#include "server/control/identity.h"

#include <fmt/format.h>
#include <grp.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/grpcpp.h>
#include <pwd.h>

#include "base/read_file.h"
#include "identity/pki/certificate.h"
#include "identity/pki/token.h"
#include "server/control/loopback.h"
#include "server/credentials.h"

namespace ross::server::control {
namespace {

constexpr gid_t kNobody = 65534;

// The groups that the machine's user database gives a user.
fabric::Peer local_user(uid_t uid) {
  fabric::Peer peer{.pid = 0, .uid = uid, .gid = uid == 0 ? 0 : kNobody, .groups = {}};
  std::vector<char> room(16384);
  struct passwd entry {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, room.data(), room.size(), &found) != 0 || found == nullptr) return peer;
  peer.gid = found->pw_gid;
  int count = 256;
  peer.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(found->pw_name, found->pw_gid, peer.groups.data(), &count) < 0) count = 256;
  peer.groups.resize(static_cast<std::size_t>(count));
  return peer;
}

Result<uid_t> owner_in(const char* path, const std::string& address) {
  if (address.empty()) return fail(ENOENT);
  ROSS_TRY(const std::string table, read_file(path));
  return socket_owner(table, address);
}

bool has_certificate(const grpc::ServerContext& context) {
  const auto auth = context.auth_context();
  return auth != nullptr && auth->IsPeerAuthenticated();
}

Result<fabric::Peer> user_of(const grpc::ServerContext& context) {
  ROSS_TRY(const TableAddress address, loopback_address(context.peer()));
  Result<uid_t> uid = owner_in("/proc/net/tcp", address.in_tcp);
  if (!uid.has_value()) uid = owner_in("/proc/net/tcp6", address.in_tcp6);
  if (!uid.has_value()) return fail(EACCES, "the kernel does not know whose connection this is");
  return local_user(*uid);
}

// Empty: none.
std::string_view signed_token(const grpc::ServerContext& context) {
  constexpr std::string_view kBearer = "Bearer ";
  const auto found = context.client_metadata().find("authorization");
  if (found == context.client_metadata().end()) return {};
  const std::string_view value(found->second.data(), found->second.size());
  return value.starts_with(kBearer) ? value.substr(kBearer.size()) : std::string_view();
}

Result<identity::Principal> by_certificate(const grpc::ServerContext& context, const identity::Directory& tenants,
                                           const identity::Attempt& attempt) {
  const auto pem = context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  Result<identity::CertificateFacts> facts = fail(EACCES, "TLS tells no certificate");
  if (!pem.empty()) facts = identity::read_certificate({pem[0].data(), pem[0].size()});
  if (facts.has_value() && !facts->tenant.empty()) {
    return tenants.of_credential(facts->tenant, std::move(facts->credential), attempt);
  }
  identity::Principal nobody;
  if (facts.has_value()) nobody.credential = std::move(facts->credential);
  tenants.refuse(identity::Reason::kUnknown, nobody, attempt);
  return fail(EACCES, facts.has_value() ? "the certificate names no tenant: it needs the URI ross:tenant:NAME"
                                        : facts.error().message());
}

Result<identity::Principal> by_token(std::string_view token, const identity::Directory& tenants,
                                     const identity::Attempt& attempt) {
  if (tenants.token_key().empty()) {
    tenants.refuse(identity::Reason::kUnknown, {}, attempt);
    return fail(EACCES, "this server takes no tokens: it has no identity.token_key");
  }
  Result<identity::TokenFacts> facts = identity::verify_token(token, tenants.token_key());
  if (facts.has_value()) return tenants.of_credential(facts->tenant, std::move(facts->credential), attempt);
  tenants.refuse(identity::Reason::kAltered, {}, attempt);
  return fail(EACCES, facts.error().message());
}

Result<Caller> tenant_of(const grpc::ServerContext& context, const identity::Directory& tenants,
                         const identity::Attempt& attempt) {
  Caller caller;  // over a network its machine is believed about its users
  const std::string_view token = signed_token(context);
  const bool certified = has_certificate(context);
  if (certified) {
    ROSS_TRY(caller.who, by_certificate(context, tenants, attempt));
  } else if (Result<fabric::Peer> user = user_of(context); user.has_value()) {
    caller.peer = *std::move(user);
  } else if (token.empty()) {
    tenants.refuse(identity::Reason::kUnknown, {}, attempt);
    return fail(std::move(user).error());
  }
  if (token.empty()) {
    if (certified) return caller;
    ROSS_TRY(caller.who, tenants.of_user(caller.peer.uid, attempt));
    return caller;
  }
  ROSS_TRY(identity::Principal holder, by_token(token, tenants, attempt));
  if (certified && holder.name() != caller.who.name() && !caller.who.tenant->may_speak_for(holder.name())) {
    tenants.refuse(identity::Reason::kReplayed, holder, attempt);
    return fail(EACCES,
                fmt::format("the token is tenant {}'s and the certificate {}'s", holder.name(), caller.who.name()));
  }
  caller.who = std::move(holder);
  return caller;
}

}  // namespace

Result<Caller> identify(const grpc::ServerContext& context, identity::Directory* tenants, std::string_view what,
                        std::string_view client) {
  if (tenants == nullptr) {
    if (has_certificate(context)) return Caller{};  // a machine, believed in what it says
    ROSS_TRY(fabric::Peer peer, user_of(context));
    return Caller{.peer = std::move(peer), .who = {}};
  }
  tenants->refresh();
  const std::string peer = context.peer();
  const identity::Attempt attempt{.peer = peer, .what = what};
  ROSS_TRY(Caller caller, tenant_of(context, *tenants, attempt));
  ROSS_OK(tenants->take_once(caller.who, client, attempt));
  return caller;
}

Status may_operate(const grpc::ServerContext& context, identity::Directory* tenants, std::string_view what) {
  if (tenants == nullptr) return Status(ENOTSUP, "this server has no tenants");
  const auto caller = identify(context, tenants, what);
  if (!caller.has_value()) return caller.error();
  if (!caller->who.bounded() || caller->who.access("*", "*") == identity::Access::kAdmin) return {};
  tenants->refuse(identity::Reason::kMissingRight, caller->who, {.peer = context.peer(), .what = what});
  return Status(EACCES, "only operators, and tenants that administer everything, may do this");
}

Status may_watch(const grpc::ServerContext& context, identity::Directory* tenants, std::string_view what) {
  if (tenants != nullptr) return may_operate(context, tenants, what);
  const auto caller = identify(context, nullptr, what);
  return caller.has_value() ? Status() : caller.error();
}

Result<fs::Credential> credential_for(const fabric::Peer& caller, uid_t uid, gid_t gid,
                                      std::vector<std::uint32_t> groups) {
  if (groups.size() > kGroupsMax) return fail(EINVAL, "more than 1024 groups");
  if (Status status = may_act_for(caller, uid, gid, groups); !status.ok()) return fail(std::move(status));
  return fs::Credential{.uid = uid, .gid = gid, .groups = std::move(groups)};
}

}  // namespace ross::server::control
