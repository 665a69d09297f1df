#include "client/metrics.h"

#include <ross/v1/metrics.grpc.pb.h>

#include "client/control_call.h"

namespace ross::client {

Result<v1::GetMetricsReply> get_metrics(const std::string& address, const ClientTls& tls, std::int64_t deadline_ns) {
  return call_control<v1::MetricsService>(address, tls, deadline_ns, &v1::MetricsService::Stub::GetMetrics,
                                          v1::GetMetricsRequest());
}

}  // namespace ross::client
