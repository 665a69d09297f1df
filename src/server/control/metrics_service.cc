#include "server/control/metrics_service.h"

#include "server/control/identity.h"
#include "server/control/process_use.h"
#include "server/control/reply.h"

namespace ross::server::control {

v1::Usage to_proto(const Usage& usage) {
  v1::Usage told;
  told.set_operations(usage.operations);
  told.set_bytes_read(usage.bytes_read);
  told.set_bytes_written(usage.bytes_written);
  told.set_waited_for_limit(usage.waited_for_limit);
  told.set_waited_for_turn(usage.waited_for_turn);
  return told;
}

grpc::Status MetricsService::GetMetrics(grpc::ServerContext* context, const v1::GetMetricsRequest* /*request*/,
                                        v1::GetMetricsReply* reply) {
  if (const Status status = may_watch(*context, exports_.tenants(), "read metrics"); !status.ok()) {
    return to_grpc(*context, status);
  }
  reply->set_server(server_);
  const ProcessUse use = process_use();
  reply->mutable_process()->set_started_s(use.started_s);
  reply->mutable_process()->set_cpu_s(use.cpu_s);
  reply->mutable_process()->set_resident_bytes(use.resident_bytes);
  for (const Export& exported : exports_.all()) {
    const Activity activity = exported.servers->activity();
    v1::PoolMetrics& told = *reply->add_pools();
    told.set_pool(exported.name);
    told.set_servers(static_cast<std::uint32_t>(exported.servers->size()));
    told.set_sessions(activity.sessions);
    told.set_connections(activity.connections);
    told.set_waiting(activity.waiting);
    *told.mutable_usage() = to_proto(activity.usage);
    told.set_bytes_here(activity.moved.here);
    told.set_bytes_direct(activity.moved.direct);
    told.set_bytes_past(activity.moved.past);
    told.set_asked_again(activity.asked_again);
  }
  if (exports_.tenants() == nullptr) return grpc::Status::OK;
  for (const auto& tenant : exports_.tenants()->all()) {
    v1::TenantMetrics& told = *reply->add_tenants();
    told.set_tenant(tenant->name);
    told.set_sessions(exports_.sessions_of(tenant->name));
    *told.mutable_usage() = to_proto(exports_.usage_of(tenant->name));
  }
  return grpc::Status::OK;
}

}  // namespace ross::server::control
