#include "server/control/pool_service.h"

#include <functional>

#include "server/control/identity.h"
#include "server/control/reply.h"
#include "server/credentials.h"

namespace ross::server::control {
namespace {

using identity::Access;

struct Call {
  std::string_view pool;
  std::string_view container;  // empty: the pool itself
  Access needs = Access::kRead;
  const char* what = "";
};

// What every call does: who calls, may they, which pool; then its own work.
grpc::Status serve(grpc::ServerContext& context, const Exports& exports, const Call& call,
                   const std::function<Status(const Export& exported, const identity::Principal& who)>& work) {
  const auto caller = identify(context, exports.tenants(), call.what);
  if (!caller.has_value()) return to_grpc(context, caller.error());
  if (!caller->who.bounded()) {
    if (call.needs == Access::kAdmin) {
      if (const Status may = may_change_pool(caller->peer); !may.ok()) return to_grpc(context, may);
    }
  } else if (!call.container.empty() && caller->who.uses(call.pool)) {
    const Status may = exports.may(caller->who, call.pool, call.container, call.needs, context.peer());
    if (!may.ok()) return to_grpc(context, may);
  }
  const auto exported = exports.find(call.pool, caller->who);
  if (!exported.has_value()) return to_grpc(context, exported.error());
  return to_grpc(context, work(**exported, caller->who));
}

template <class Request>
Call administer(const Request& request, const char* what) {
  return {.pool = request.pool(), .container = request.container(), .needs = Access::kAdmin, .what = what};
}

void fill(v1::Container& reply, const engine::ContainerInfo& info) {
  reply.set_name(info.name);
  reply.set_quota_bytes(info.options.quota_bytes);
  reply.set_quota_nodes(info.options.quota_nodes);
  reply.set_used_bytes(info.used_bytes);
  reply.set_used_nodes(info.used_nodes);
  reply.set_created_ns(info.created_ns);
}

Status tell(engine::Pool& pool, std::string_view container, v1::Container& reply) {
  const auto info = pool.container(container);
  if (!info.has_value()) return info.error();
  fill(reply, *info);
  return {};
}

}  // namespace

grpc::Status PoolService::GetPool(grpc::ServerContext* context, const v1::GetPoolRequest* request, v1::Pool* reply) {
  return serve(*context, exports_, {.pool = request->pool(), .what = "get pool"},
               [&](const Export& exported, const auto&) {
                 const engine::PoolInfo info = exported.pool->info();
                 reply->set_name(exported.name);
                 reply->set_uuid(info.uuid);
                 reply->set_format_version(info.format_version);
                 reply->set_total_bytes(info.total_bytes);
                 reply->set_free_bytes(info.free_bytes);
                 reply->set_containers(info.containers);
                 reply->set_failed(info.failed);
                 for (const engine::DeviceInfo& device : info.devices) {
                   v1::Device& told = *reply->add_devices();
                   told.set_kind(static_cast<v1::Device::Kind>(device.kind));
                   told.set_path(device.path);
                   told.set_size_bytes(device.size_bytes);
                   told.set_free_bytes(device.free_bytes);
                 }
                 return Status();
               });
}

grpc::Status PoolService::SyncPool(grpc::ServerContext* context, const v1::SyncPoolRequest* request,
                                   v1::SyncPoolReply* /*reply*/) {
  return serve(*context, exports_, {.pool = request->pool(), .what = "sync pool"},
               [](const Export& exported, const auto&) { return exported.pool->sync(); });
}

grpc::Status PoolService::CreateContainer(grpc::ServerContext* context, const v1::CreateContainerRequest* request,
                                          v1::Container* reply) {
  return serve(*context, exports_, administer(*request, "create container"), [&](const Export& exported, const auto&) {
    ROSS_STATUS(exported.pool->create_container(
        request->container(), {.quota_bytes = request->quota_bytes(), .quota_nodes = request->quota_nodes()}));
    return tell(*exported.pool, request->container(), *reply);
  });
}

grpc::Status PoolService::SetContainer(grpc::ServerContext* context, const v1::SetContainerRequest* request,
                                       v1::Container* reply) {
  return serve(*context, exports_, administer(*request, "set container"), [&](const Export& exported, const auto&) {
    ROSS_STATUS(exported.pool->set_container(
        request->container(), {.quota_bytes = request->quota_bytes(), .quota_nodes = request->quota_nodes()}));
    return tell(*exported.pool, request->container(), *reply);
  });
}

grpc::Status PoolService::DestroyContainer(grpc::ServerContext* context, const v1::DestroyContainerRequest* request,
                                           v1::DestroyContainerReply* /*reply*/) {
  return serve(*context, exports_, administer(*request, "destroy container"), [&](const Export& exported, const auto&) {
    return exported.pool->destroy_container(request->container());
  });
}

grpc::Status PoolService::GetContainer(grpc::ServerContext* context, const v1::GetContainerRequest* request,
                                       v1::Container* reply) {
  return serve(*context, exports_,
               {.pool = request->pool(), .container = request->container(), .what = "get container"},
               [&](const Export& exported, const auto&) { return tell(*exported.pool, request->container(), *reply); });
}

grpc::Status PoolService::ListContainers(grpc::ServerContext* context, const v1::ListContainersRequest* request,
                                         v1::ListContainersReply* reply) {
  return serve(*context, exports_, {.pool = request->pool(), .what = "list containers"},
               [&](const Export& exported, const auto& who) {
                 for (const engine::ContainerInfo& info : exported.pool->containers()) {
                   if (who.access(exported.name, info.name) != Access::kNone) fill(*reply->add_containers(), info);
                 }
                 return Status();
               });
}

}  // namespace ross::server::control
