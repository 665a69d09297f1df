// Reaching: what a session is told so that it can have channels to the server behind its own, past an agent (decisions/0013).
//
// Ownership: the session's state holds it; the domains it names live as long. Threading: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "fabric/endpoint.h"
#include "wire/message.h"

namespace ross::client {

// A way to that server that this process can try.
struct ReachableBy {
  std::string fabric;
  std::string address;
  fabric::Domain* domain = nullptr;
};

// Which way data goes that is large enough, and why.
struct Placed {
  enum class Where : std::uint8_t { kServer, kStaged, kDirect };
  Where where = Where::kServer;  // kServer: nobody stands between
  std::string how;               // the way, or the reason

  friend bool operator==(const Placed&, const Placed&) = default;
};

struct Reaching {
  // The ways of an offer that this process can try, best first; or why there are none. May load a library.
  std::function<Result<std::vector<ReachableBy>>(const wire::Reach& reach)> choose;
  // Data of more than this goes straight there. Below, a message that passes two servers costs less than the two that a transfer takes.
  std::size_t bytes_min = 32 * kKiB;
  // The server is asked also if it does not offer it: one without an agent. Simulation and tests.
  bool asks_always = false;
};

}  // namespace ross::client
