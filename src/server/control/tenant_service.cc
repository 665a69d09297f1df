#include "server/control/tenant_service.h"

#include "base/log.h"
#include "server/control/identity.h"
#include "server/control/metrics_service.h"
#include "server/control/reply.h"

namespace ross::server::control {

grpc::Status TenantService::ListTenants(grpc::ServerContext* context, const v1::ListTenantsRequest* /*request*/,
                                        v1::ListTenantsReply* reply) {
  if (const Status status = may_operate(*context, exports_.tenants(), "list tenants"); !status.ok())
    return to_grpc(*context, status);
  for (const auto& tenant : exports_.tenants()->all()) {
    v1::Tenant& told = *reply->add_tenants();
    told.set_name(tenant->name);
    for (const std::string& pattern : tenant->read) told.add_read(pattern);
    for (const std::string& pattern : tenant->write) told.add_write(pattern);
    for (const std::string& pattern : tenant->admin) told.add_admin(pattern);
    for (const std::string& pattern : tenant->on_behalf) told.add_on_behalf(pattern);
    for (const uid_t uid : tenant->uids) told.add_uids(uid);
    told.set_bytes_per_second(tenant->limits.bytes_per_second);
    told.set_bytes_burst(tenant->limits.bytes_burst);
    told.set_ops_per_second(tenant->limits.ops_per_second);
    told.set_ops_burst(tenant->limits.ops_burst);
    told.set_weight(static_cast<std::uint32_t>(tenant->weight));
    told.set_revoked(exports_.tenants()->revoked({.tenant = tenant}));
    told.set_sessions(exports_.sessions_of(tenant->name));
    *told.mutable_usage() = to_proto(exports_.usage_of(tenant->name));
  }
  return grpc::Status::OK;
}

grpc::Status TenantService::RevokeTenant(grpc::ServerContext* context, const v1::RevokeTenantRequest* request,
                                         v1::RevokeTenantReply* reply) {
  Status status = may_operate(*context, exports_.tenants(), "revoke " + request->tenant());
  const std::uint64_t sessions = status.ok() ? exports_.sessions_of(request->tenant()) : 0;
  if (status.ok()) status = exports_.tenants()->revoke(request->tenant());
  if (!status.ok()) return to_grpc(*context, status);
  exports_.end_revoked();
  reply->set_sessions(sessions);
  log().warn("tenant {} is revoked by {}", request->tenant(), context->peer());
  return grpc::Status::OK;
}

}  // namespace ross::server::control
