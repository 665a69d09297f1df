// Upstream: the session that a host's session has at the engine, under the host's name and for the host's user.
//
//   options.upstream = upstream_at({.url = url, .tls = tls, .patience_ns = patience_ns});      // server::ServerOptions
//
// The engine decides whether this process may speak for that user: it has to be root on the engine's own machine, or have a
// certificate that the engine believes. Where the agent has tenants it says for which one it speaks, and the engine whether it may
// (decisions/0015). Threading: any thread.
#pragma once

#include <cstdint>

#include "attach/attach.h"
#include "client/control.h"
#include "server/server.h"

namespace ross::agent_daemon {

struct UpstreamOptions {
  attach::Url url;  // of the pool
  client::ClientTls tls;
  std::int64_t patience_ns = 60'000'000'000;  // for so long calls wait for an engine that is away
};
server::BeginUpstream upstream_at(UpstreamOptions options);

}  // namespace ross::agent_daemon
