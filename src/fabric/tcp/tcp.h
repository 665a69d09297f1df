// The tcp backend: our own sockets, driven in batches, for machines without RDMA.
//
//   ROSS_TRY(auto domain, tcp::make_domain({}));
//   ROSS_TRY(auto endpoint, domain->open(loop, {.limits = limits, .listen = "127.0.0.1:0", .acceptor = &acceptor}));
//
// Addresses are HOST:PORT, an IPv6 host in brackets. To listen a numeric host is needed; to connect names are looked up on
// a thread of their own. Who listens at 0.0.0.0 or [::] sets advertise, because peers cannot connect to those.
// What travels is neither encrypted nor authenticated by this backend: the keys of windows are as safe as the network is.
// stream/frame.h has the layout of what goes over the wire.
#pragma once

#include <memory>
#include <string>

#include "fabric/endpoint.h"

namespace ross::fabric::tcp {

struct Options {
  // The host that address() names in place of a wildcard that is listened at.
  std::string advertise;
  // Of every socket's buffers; 0: the kernel's own adjustment.
  int send_buffer_bytes = 0;
  int receive_buffer_bytes = 0;
};

// How long a peer may leave what was sent unacknowledged, or an idle connection its probes unanswered, until the
// channel ends: a machine that died is noticed, a cable that was replugged is not.
inline constexpr unsigned kUserTimeoutMs = 20'000;
inline constexpr int kKeepIdleS = 10;
inline constexpr int kKeepIntervalS = 5;
inline constexpr int kKeepProbes = 3;

Result<std::unique_ptr<Domain>> make_domain(const Options& options);

}  // namespace ross::fabric::tcp
