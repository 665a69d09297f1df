// TenantService of proto/ross/v1/tenant.proto: for operators.
//
// Ownership: borrows exports. Threading: any thread.
#pragma once

#include <ross/v1/tenant.grpc.pb.h>

#include "server/control/exports.h"

namespace ross::server::control {

class TenantService final : public v1::TenantService::Service {
 public:
  explicit TenantService(Exports& exports) : exports_(exports) {}

  grpc::Status ListTenants(grpc::ServerContext* context, const v1::ListTenantsRequest* request,
                           v1::ListTenantsReply* reply) override;
  grpc::Status RevokeTenant(grpc::ServerContext* context, const v1::RevokeTenantRequest* request,
                            v1::RevokeTenantReply* reply) override;

 private:
  Exports& exports_;
};

}  // namespace ross::server::control
