// PoolService of proto/ross/v1/pool.proto. Who may call may read; root and the owner change
// containers, or where there are tenants those that administer them.
//
// Ownership: borrows exports. Threading: any thread.
#pragma once

#include <ross/v1/pool.grpc.pb.h>

#include "server/control/exports.h"

namespace ross::server::control {

class PoolService final : public v1::PoolService::Service {
 public:
  explicit PoolService(Exports& exports) : exports_(exports) {}

  grpc::Status GetPool(grpc::ServerContext* context, const v1::GetPoolRequest* request, v1::Pool* reply) override;
  grpc::Status SyncPool(grpc::ServerContext* context, const v1::SyncPoolRequest* request,
                        v1::SyncPoolReply* reply) override;
  grpc::Status CreateContainer(grpc::ServerContext* context, const v1::CreateContainerRequest* request,
                               v1::Container* reply) override;
  grpc::Status SetContainer(grpc::ServerContext* context, const v1::SetContainerRequest* request,
                            v1::Container* reply) override;
  grpc::Status DestroyContainer(grpc::ServerContext* context, const v1::DestroyContainerRequest* request,
                                v1::DestroyContainerReply* reply) override;
  grpc::Status GetContainer(grpc::ServerContext* context, const v1::GetContainerRequest* request,
                            v1::Container* reply) override;
  grpc::Status ListContainers(grpc::ServerContext* context, const v1::ListContainersRequest* request,
                              v1::ListContainersReply* reply) override;

 private:
  Exports& exports_;
};

}  // namespace ross::server::control
