// The transports of UCX that ROSS uses, with what it sets and expects of each. Threading: immutable.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace ross::fabric::ucx {

struct Transport {
  std::string_view name;  // as in Traits
  std::string_view tls;   // UCX's transports
  // UCX connects by socket address. Else it has no way of its own to connect, and workers tell each other their addresses
  // over a Unix socket, which stays as a sign of life.
  bool by_socket_address = true;
  bool same_machine_only = false;
  // Up to here a payload is copied into a frame of items; beyond, UCX moves it from memory to memory.
  std::size_t eager_bytes_max = 0;
  std::size_t items_bytes = 0;  // how large a frame of items gets
  std::size_t inline_bytes_max = 0;
  std::vector<std::pair<std::string_view, std::string_view>> settings;  // UCX's, without UCX_
};

// EINVAL for a name that is none.
Result<const Transport*> find_transport(std::string_view name);

}  // namespace ross::fabric::ucx
