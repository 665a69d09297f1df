#include "client/control.h"

#include <fmt/format.h>
#include <ross/v1/session.grpc.pb.h>
#include <ross/v1/tenant.grpc.pb.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/machine.h"
#include "client/control_call.h"

namespace ross::client {
namespace {

// For whom this process asks when it asks for itself.
Client::User self() {
  Client::User user{.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
  user.groups.resize(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const int count = ::getgroups(static_cast<int>(user.groups.size()), user.groups.data());
  user.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return user;
}

std::string from_environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

}  // namespace

ClientTls tls_from_environment() {
  return {.authority = from_environment("ROSS_TLS_AUTHORITY"),
          .certificate = from_environment("ROSS_TLS_CERTIFICATE"),
          .key = from_environment("ROSS_TLS_KEY"),
          .token = from_environment("ROSS_TOKEN"),
          .token_file = from_environment("ROSS_TOKEN_FILE")};
}

Result<Grant> begin_session(const std::string& address, std::string_view pool, const ClientTls& tls,
                            std::int64_t deadline_ns) {
  return begin_session(address, pool, tls, {}, deadline_ns);
}

Result<Grant> begin_session(const std::string& address, std::string_view pool, const ClientTls& tls,
                            const Client& client, std::int64_t deadline_ns) {
  v1::ConnectRequest request;
  request.set_pool(std::string(pool));
  request.set_wire_version(wire::kVersion);
  const Client::User user = client.relayed.has_value() ? *client.relayed : self();
  request.set_pid(user.pid);
  if (client.id != wire::ClientId{}) request.set_client(client.id.data(), client.id.size());
  request.set_returning(client.returning);
  request.set_relayed(client.relayed.has_value());
  request.set_on_behalf_of(client.on_behalf_of);
  request.set_access(client.access);
  request.set_uid(user.uid);
  request.set_gid(user.gid);
  for (const gid_t group : user.groups) request.add_groups(group);
  ROSS_TRY(const v1::ConnectReply reply,
           call_control<v1::SessionService>(address, tls, deadline_ns, &v1::SessionService::Stub::Connect, request));
  Grant grant;
  if (reply.token().size() != grant.token.size()) return fail(EPROTO, fmt::format("{} gave no token", address));
  std::copy(reply.token().begin(), reply.token().end(), reinterpret_cast<char*>(grant.token.data()));
  grant.resumed = reply.resumed();
  const std::string machine = machine_id();
  grant.same_machine = !machine.empty() && machine == reply.machine();
  grant.server = reply.server();
  grant.generation = reply.generation();
  for (const v1::Fabric& fabric : reply.fabrics()) {
    grant.fabrics.push_back(
        {.backend = fabric.backend(), .address = fabric.address(), .same_machine_only = fabric.same_machine_only()});
  }
  return grant;
}

Result<std::uint64_t> revoke_tenant(const std::string& address, const ClientTls& tls, std::string_view tenant,
                                    std::int64_t deadline_ns) {
  v1::RevokeTenantRequest request;
  request.set_tenant(std::string(tenant));
  ROSS_TRY(const v1::RevokeTenantReply reply,
           call_control<v1::TenantService>(address, tls, deadline_ns, &v1::TenantService::Stub::RevokeTenant, request));
  return reply.sessions();
}

}  // namespace ross::client
