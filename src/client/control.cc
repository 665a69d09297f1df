#include "client/control.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <ross/v1/session.grpc.pb.h>
#include <ross/v1/tenant.grpc.pb.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>

#include "base/clock.h"
#include "base/machine.h"
#include "base/read_file.h"
#include "client/grpc_log.h"

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

Result<std::string> read_if_named(const std::string& path) {
  if (path.empty()) return std::string();
  return read_file(path);
}

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials(const ClientTls& tls) {
  if (tls.authority.empty() && tls.certificate.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  ROSS_TRY(options.pem_root_certs, read_if_named(tls.authority));
  ROSS_TRY(options.pem_cert_chain, read_if_named(tls.certificate));
  ROSS_TRY(options.pem_private_key, read_if_named(tls.key));
  return grpc::SslCredentials(options);
}

// The signed token to show; empty: none. Without TLS it leaves the machine for no one.
Result<std::string> token_for(const std::string& address, const ClientTls& tls) {
  std::string token = tls.token;
  if (!tls.token_file.empty()) {
    ROSS_TRY(token, read_file(tls.token_file));
  }
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.pop_back();
  if (token.empty()) return token;
  for (const char c : token) {
    if (c <= ' ' || c > '~') return fail(EINVAL, "ROSS_TOKEN, or the file of ROSS_TOKEN_FILE, holds no token");
  }
  const bool here = address.starts_with("127.") || address.starts_with("[::1]:") || address.starts_with("localhost:");
  if (here || !tls.authority.empty() || !tls.certificate.empty()) return token;
  return fail(EINVAL, fmt::format("a token is not sent to {} without TLS: set ROSS_TLS_AUTHORITY", address));
}

// The errno that our servers send along, or what gRPC's own code comes to.
Status from_grpc(const std::string& address, const grpc::Status& status, const grpc::ClientContext& context) {
  const auto& trailing = context.GetServerTrailingMetadata();
  if (const auto found = trailing.find("ross-errno"); found != trailing.end()) {
    int error = 0;
    const std::string_view digits(found->second.data(), found->second.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), error);
    return Status(error > 0 ? error : EIO, status.error_message());
  }
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Status(ECONNREFUSED,
                    fmt::format("no ross-engine answers at {}: is it running, and reachable from here? ({})", address,
                                status.error_message()));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Status(ETIMEDOUT, fmt::format("{} does not answer", address));
    case grpc::StatusCode::UNIMPLEMENTED:
      return Status(EPROTO, fmt::format("what answers at {} is no ROSS server", address));
    default:
      return Status(EPROTO, fmt::format("{} answers with an error: {}", address, status.error_message()));
  }
}

Result<std::shared_ptr<grpc::Channel>> channel_to(const std::string& address, const ClientTls& tls) {
  take_grpc_log();
  ROSS_TRY(const auto creds, credentials(tls));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // nothing stays behind this call
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, creds, arguments);
}

Status prepare(grpc::ClientContext& context, const std::string& address, const ClientTls& tls,
               std::int64_t deadline_ns) {
  const Result<std::string> token = token_for(address, tls);
  if (!token.has_value()) return token.error();
  if (!token->empty()) context.AddMetadata("authorization", "Bearer " + *token);
  const std::int64_t left_ns = deadline_ns - system_clock().monotonic_ns();
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::nanoseconds(left_ns));
  return {};
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
  ROSS_TRY(const auto channel, channel_to(address, tls));
  const auto stub = v1::SessionService::NewStub(channel);
  grpc::ClientContext context;
  ROSS_OK(prepare(context, address, tls, deadline_ns));
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
  v1::ConnectReply reply;
  const grpc::Status status = stub->Connect(&context, request, &reply);
  if (!status.ok()) return fail(from_grpc(address, status, context));

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
  ROSS_TRY(const auto channel, channel_to(address, tls));
  const auto stub = v1::TenantService::NewStub(channel);
  grpc::ClientContext context;
  ROSS_OK(prepare(context, address, tls, deadline_ns));
  v1::RevokeTenantRequest request;
  request.set_tenant(std::string(tenant));
  v1::RevokeTenantReply reply;
  const grpc::Status status = stub->RevokeTenant(&context, request, &reply);
  if (!status.ok()) return fail(from_grpc(address, status, context));
  return reply.sessions();
}

}  // namespace ross::client
