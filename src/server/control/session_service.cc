#include "server/control/session_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/machine.h"
#include "server/control/identity.h"
#include "server/control/loopback.h"
#include "server/control/reply.h"

namespace ross::server::control {
namespace {

std::uint64_t lifetime_ms(const Export& exported, const identity::Principal& who) {
  return who.bounded() ? static_cast<std::uint64_t>(exported.servers->session_lifetime_ns() / 1'000'000) : 0;
}

// What Renew and Close have in common.
template <class Work>
Status by_token(const grpc::ServerContext& context, Exports& exports, const std::string& pool,
                const std::string& session, std::string_view what, const Work& work) {
  auto caller = identify(context, exports.tenants(), what);
  if (!caller.has_value()) return caller.error();
  const auto exported = exports.find(pool, caller->who);
  if (!exported.has_value()) return exported.error();
  wire::Token token{};
  if (session.size() != token.size()) return Status(EINVAL, "a session's token has 16 bytes");
  std::ranges::copy(session, reinterpret_cast<char*>(token.data()));
  return work(**exported, token, Applicant{.peer = caller->peer, .who = caller->who});
}

}  // namespace

Status SessionService::connect(const grpc::ServerContext& context, const v1::ConnectRequest& request,
                               v1::ConnectReply& reply) {
  const std::string what = "connect to " + request.pool();
  auto caller = identify(context, exports_.tenants(), what, request.client());
  if (!caller.has_value()) return caller.error();
  if (request.wire_version() != wire::kVersion) {
    return Status(EPROTO,
                  fmt::format("the client speaks version {} of the data plane and this server version {}: install "
                              "the same release on both",
                              request.wire_version(), wire::kVersion));
  }
  auto cred = credential_for(caller->peer, request.uid(), request.gid(),
                             std::vector<std::uint32_t>(request.groups().begin(), request.groups().end()));
  if (!cred.has_value()) return cred.error();
  if (exports_.tenants() != nullptr && !request.on_behalf_of().empty()) {
    const auto most = identity::access_of(request.access().empty() ? "admin" : request.access());
    if (!most) return Status(EINVAL, fmt::format("'{}' is no access: write read, write or admin", request.access()));
    auto host = exports_.tenants()->on_behalf(caller->who, request.on_behalf_of(), *most,
                                              {.peer = context.peer(), .what = what});
    if (!host.has_value()) return host.error();
    caller->who = *std::move(host);
  }
  const auto exported = exports_.find(request.pool(), caller->who);
  if (!exported.has_value()) {
    if (caller->who.bounded()) {
      exports_.tenants()->refuse(identity::Reason::kNotYours, caller->who, {.peer = context.peer(), .what = what});
    }
    return exported.error();
  }
  Applicant applicant{
      .peer = {.pid = static_cast<pid_t>(request.pid()), .uid = cred->uid, .gid = cred->gid, .groups = cred->groups},
      .returning = request.returning(),
      .same_machine = !request.relayed() && loopback_address(context.peer()).has_value(),
      .relayed = request.relayed(),
      .who = caller->who};
  if (!request.client().empty()) {
    if (request.client().size() != applicant.client.size()) return Status(EINVAL, "a client's name has 16 bytes");
    std::ranges::copy(request.client(), reinterpret_cast<char*>(applicant.client.data()));
  }
  const Result<Begun> begun = (*exported)->servers->begin_session(applicant);
  if (!begun.has_value()) return begun.error();
  reply.set_token(begun->token.data(), begun->token.size());
  reply.set_resumed(begun->resumed);
  reply.set_generation(begun->generation);
  reply.set_lease_ms(static_cast<std::uint32_t>((*exported)->servers->lease_ns() / 1'000'000));
  reply.set_join_within_ms(static_cast<std::uint32_t>(Server::kGreetingNs / 1'000'000));
  reply.set_lifetime_ms(lifetime_ms(**exported, caller->who));
  reply.set_machine(machine_id());
  reply.set_server(server_);
  for (std::size_t i = 0; i < begun->addresses.size(); ++i) {
    v1::Fabric& fabric = *reply.add_fabrics();
    fabric.set_backend(exports_.fabrics()[i].backend);
    fabric.set_same_machine_only(exports_.fabrics()[i].same_machine_only);
    fabric.set_address(begun->addresses[i]);
  }
  log().info("session {} for {} pid {} uid {}{}{} on pool {}", begun->resumed ? "resumed" : "begun", context.peer(),
             request.pid(), cred->uid, caller->who.bounded() ? " of tenant " : "", caller->who.name(), request.pool());
  return {};
}

grpc::Status SessionService::Connect(grpc::ServerContext* context, const v1::ConnectRequest* request,
                                     v1::ConnectReply* reply) {
  const Status status = connect(*context, *request, *reply);
  if (!status.ok()) log().info("session refused to {}: {}", context->peer(), status.message());
  return to_grpc(*context, status);
}

grpc::Status SessionService::Renew(grpc::ServerContext* context, const v1::RenewRequest* request,
                                   v1::RenewReply* reply) {
  const auto renew = [&](const Export& exported, const wire::Token& token, const Applicant& applicant) {
    reply->set_lifetime_ms(lifetime_ms(exported, applicant.who));
    return exported.servers->renew_session(token, applicant);
  };
  return to_grpc(*context, by_token(*context, exports_, request->pool(), request->token(), "renew a session", renew));
}

grpc::Status SessionService::Close(grpc::ServerContext* context, const v1::CloseRequest* request,
                                   v1::CloseReply* /*reply*/) {
  const auto close = [](const Export& exported, const wire::Token& token, const Applicant& applicant) {
    return exported.servers->close_session(token, applicant);
  };
  return to_grpc(*context, by_token(*context, exports_, request->pool(), request->token(), "close a session", close));
}

grpc::Status SessionService::Describe(grpc::ServerContext* context, const v1::DescribeRequest* /*request*/,
                                      v1::DescribeReply* reply) {
  const auto caller = identify(*context, exports_.tenants(), "describe");
  if (!caller.has_value()) return to_grpc(*context, caller.error());
  reply->set_server(server_);
  reply->set_machine(machine_id());
  reply->set_wire_version(wire::kVersion);
  for (const Export& exported : exports_.all()) {
    if (caller->who.uses(exported.name)) reply->add_pools(exported.name);
  }
  for (const FabricOffer& offer : exports_.fabrics()) {
    v1::Fabric& fabric = *reply->add_fabrics();
    fabric.set_backend(offer.backend);
    fabric.set_same_machine_only(offer.same_machine_only);
  }
  for (const auto& [backend, reason] : missing_) {
    v1::Missing& missing = *reply->add_missing();
    missing.set_backend(backend);
    missing.set_reason(reason);
  }
  return grpc::Status::OK;
}

}  // namespace ross::server::control
