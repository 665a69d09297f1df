#include "server/control/session_service.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/machine.h"
#include "server/control/identity.h"
#include "server/control/reply.h"

namespace ross::server::control {
Status SessionService::connect(const grpc::ServerContext& context, const v1::ConnectRequest& request,
                               v1::ConnectReply& reply) {
  auto caller = identify(context);
  if (!caller.has_value()) return caller.error();
  if (request.wire_version() != wire::kVersion) {
    return Status(EPROTO,
                  fmt::format("the client speaks version {} of the data plane and this server version {}: install "
                              "the same release on both",
                              request.wire_version(), wire::kVersion));
  }
  auto cred = credential_for(*caller, request.uid(), request.gid(),
                             std::vector<std::uint32_t>(request.groups().begin(), request.groups().end()));
  if (!cred.has_value()) return cred.error();
  const auto exported = exports_.find(request.pool());
  if (!exported.has_value()) return exported.error();
  Applicant applicant{
      .peer = {.pid = static_cast<pid_t>(request.pid()), .uid = cred->uid, .gid = cred->gid, .groups = cred->groups},
      .returning = request.returning(),
      .same_machine = !request.relayed() && loopback_address(context.peer()).has_value(),
      .relayed = request.relayed()};
  if (!request.client().empty()) {
    if (request.client().size() != applicant.client.size()) return Status(EINVAL, "a client's name has 16 bytes");
    std::ranges::copy(request.client(), reinterpret_cast<char*>(applicant.client.data()));
  }
  const Result<Begun> begun = (*exported)->server->begin_session(applicant);
  if (!begun.has_value()) return begun.error();
  reply.set_token(begun->token.data(), begun->token.size());
  reply.set_resumed(begun->resumed);
  reply.set_generation(begun->generation);
  reply.set_lease_ms(static_cast<std::uint32_t>((*exported)->server->lease_ns() / 1'000'000));
  reply.set_join_within_ms(static_cast<std::uint32_t>(Server::kGreetingNs / 1'000'000));
  reply.set_machine(machine_id());
  reply.set_server(server_);
  const std::vector<std::string>& addresses = (*exported)->server->addresses();
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    v1::Fabric& fabric = *reply.add_fabrics();
    fabric.set_backend(exports_.fabrics()[i].backend);
    fabric.set_same_machine_only(exports_.fabrics()[i].same_machine_only);
    fabric.set_address(addresses[i]);
  }
  log().info("session {} for {} pid {} uid {} on pool {}", begun->resumed ? "resumed" : "begun", context.peer(),
             request.pid(), cred->uid, request.pool());
  return {};
}

grpc::Status SessionService::Connect(grpc::ServerContext* context, const v1::ConnectRequest* request,
                                     v1::ConnectReply* reply) {
  const Status status = connect(*context, *request, *reply);
  if (!status.ok()) log().info("session refused to {}: {}", context->peer(), status.message());
  return to_grpc(*context, status);
}

grpc::Status SessionService::Describe(grpc::ServerContext* context, const v1::DescribeRequest* /*request*/,
                                      v1::DescribeReply* reply) {
  if (const auto caller = identify(*context); !caller.has_value()) return to_grpc(*context, caller.error());
  reply->set_server(server_);
  reply->set_machine(machine_id());
  reply->set_wire_version(wire::kVersion);
  for (const Export& exported : exports_.all()) reply->add_pools(exported.name);
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
