// SessionService of proto/ross/v1/session.proto: the way from the control plane to the data plane.
//
// Ownership: borrows exports. Threading: any thread.
#pragma once

#include <ross/v1/session.grpc.pb.h>

#include <string>
#include <utility>
#include <vector>

#include "server/control/exports.h"

namespace ross::server::control {

class SessionService final : public v1::SessionService::Service {
 public:
  // missing: backends that are not offered, and why.
  SessionService(Exports& exports, std::string server, std::vector<std::pair<std::string, std::string>> missing)
      : exports_(exports), server_(std::move(server)), missing_(std::move(missing)) {}

  grpc::Status Connect(grpc::ServerContext* context, const v1::ConnectRequest* request,
                       v1::ConnectReply* reply) override;
  grpc::Status Renew(grpc::ServerContext* context, const v1::RenewRequest* request, v1::RenewReply* reply) override;
  grpc::Status Close(grpc::ServerContext* context, const v1::CloseRequest* request, v1::CloseReply* reply) override;
  grpc::Status Describe(grpc::ServerContext* context, const v1::DescribeRequest* request,
                        v1::DescribeReply* reply) override;

 private:
  Status connect(const grpc::ServerContext& context, const v1::ConnectRequest& request, v1::ConnectReply& reply);

  Exports& exports_;
  const std::string server_;
  const std::vector<std::pair<std::string, std::string>> missing_;
};

}  // namespace ross::server::control
