// MetricsService of proto/ross/v1/metrics.proto.
//
// Ownership: borrows exports. Threading: any thread.
#pragma once

#include <ross/v1/metrics.grpc.pb.h>

#include <string>
#include <utility>

#include "server/control/exports.h"

namespace ross::server::control {

v1::Usage to_proto(const Usage& usage);

class MetricsService final : public v1::MetricsService::Service {
 public:
  // server: its name and version.
  MetricsService(Exports& exports, std::string server) : exports_(exports), server_(std::move(server)) {}

  grpc::Status GetMetrics(grpc::ServerContext* context, const v1::GetMetricsRequest* request,
                          v1::GetMetricsReply* reply) override;

 private:
  Exports& exports_;
  const std::string server_;
};

}  // namespace ross::server::control
