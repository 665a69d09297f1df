// get_metrics: what a server does and has done (proto/ross/v1/metrics.proto). Threading: any thread; blocks.
#pragma once

#include <ross/v1/metrics.pb.h>

#include <cstdint>
#include <string>

#include "base/status.h"
#include "client/control.h"

namespace ross::client {

// Errors: those of begin_session; EPROTO for a server that has none.
Result<v1::GetMetricsReply> get_metrics(const std::string& address, const ClientTls& tls, std::int64_t deadline_ns);

}  // namespace ross::client
