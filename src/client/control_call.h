// call_control: one call of a server's control plane, over a channel of its own that ends with it.
//
//   ROSS_TRY(const v1::ConnectReply reply, call_control<v1::SessionService>(address, tls, deadline_ns,
//                                                                           &v1::SessionService::Stub::Connect, request));
//
// Errors: the errno that our servers send along, or what gRPC's own code comes to. Threading: any thread; blocks.
#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "client/control.h"

namespace ross::client {
namespace internal {

Result<std::shared_ptr<grpc::Channel>> channel_to(const std::string& address, const ClientTls& tls);
// Who calls, and how long.
Status prepare(grpc::ClientContext& context, const std::string& address, const ClientTls& tls,
               std::int64_t deadline_ns);
Status from_grpc(const std::string& address, const grpc::Status& status, const grpc::ClientContext& context);

}  // namespace internal

template <class Service, class Request, class Reply>
Result<Reply> call_control(const std::string& address, const ClientTls& tls, std::int64_t deadline_ns,
                           grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                           const Request& request) {
  ROSS_TRY(const auto channel, internal::channel_to(address, tls));
  const auto stub = Service::NewStub(channel);
  grpc::ClientContext context;
  ROSS_OK(internal::prepare(context, address, tls, deadline_ns));
  Reply reply;
  const grpc::Status status = ((*stub).*method)(&context, request, &reply);
  if (!status.ok()) return fail(internal::from_grpc(address, status, context));
  return reply;
}

}  // namespace ross::client
