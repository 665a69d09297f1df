// shm: the fabric between processes of one machine: messages through rings in shared memory, data by a single copy.
//
//   ROSS_TRY(auto domain, shm::make_domain({}));
//   ROSS_TRY(auto endpoint, domain->open(loop, {.limits = limits, .listen = "/run/ross/agent.sock", .acceptor = &acceptor}));
//
// An address is the path of a socket from the root on, kAddressBytesMax at most. Between processes of one user a transfer is one
// copy made by who began it; between users the data goes through the rings, copied once on each side, and every request is
// checked by the window's owner.
//
// What revoke() and the end of a channel guarantee: against peers of other users, everything the interface says. Against
// peers of the same user, everything as long as they run this code: such a peer marks a window before it copies, and is waited
// for, up to ShmChannel::kSettleNs; one that was stopped in the middle of a copy may still finish that piece when it goes on,
// after its channel has ended. One that does not run this code can reach our memory anyway, as the kernel lets a user's
// processes trace each other; set direct to false where that is closed off and the peer is not trusted.
//
// Threading: any thread.
#pragma once

#include <sys/types.h>

#include <memory>

#include "base/units.h"
#include "fabric/endpoint.h"

namespace ross::fabric::shm {

struct ShmOptions {
  // Of each direction of a channel: a power of two from 16 KiB to 64 MiB; more where heads or the kernel's pages need it. It bounds what is under way.
  std::size_t ring_bytes = 1 * kMiB;
  bool direct = true;         // peers of the same user copy to and from our memory themselves
  mode_t socket_mode = 0600;  // who may connect
};

// Errors: EINVAL for options out of range.
Result<std::unique_ptr<Domain>> make_domain(const ShmOptions& options);

}  // namespace ross::fabric::shm
