#include "fabric/ucx/transport.h"

#include <fmt/format.h>

#include <array>

#include "base/units.h"

namespace ross::fabric::ucx {

Result<const Transport*> find_transport(std::string_view name) {
  static const std::array<Transport, 3> transports = {{
      {
          .name = "ucx+tcp",
          .tls = "tcp",
          .eager_bytes_max = 16 * kKiB,
          .items_bytes = 64 * kKiB,
          .inline_bytes_max = 16 * kKiB,
          // The segments of 8 and 64 KiB that UCX has by itself cost a system call each.
          .settings = {{"TX_SEG_SIZE", "256k"},
                       {"RX_SEG_SIZE", "256k"},
                       {"KEEPALIVE_INTERVAL", "10s"},
                       {"KEEPIDLE", "10s"},
                       {"KEEPINTVL", "2s"}},
      },
      {
          .name = "ucx+shm",
          .tls = "posix,cma",
          .by_socket_address = false,
          .same_machine_only = true,
          .eager_bytes_max = 8 * kKiB,
          .items_bytes = 8 * kKiB,
          .inline_bytes_max = 8 * kKiB,
          // Without error handling of its own a transport may not be closed while the peer does not answer.
          .settings = {{"MM_ERROR_HANDLING", "y"}, {"KEEPALIVE_INTERVAL", "10s"}},
      },
      {
          .name = "ucx+rc",
          .tls = "rc,ud,dc",
          .eager_bytes_max = 8 * kKiB,
          .items_bytes = 32 * kKiB,
          .inline_bytes_max = 4 * kKiB,
          .settings = {{"KEEPALIVE_INTERVAL", "10s"}},
      },
  }};
  for (const Transport& transport : transports) {
    if (transport.name == name) return &transport;
  }
  return fail(EINVAL, fmt::format("'{}' is no transport of UCX: use ucx+tcp, ucx+shm or ucx+rc", name));
}

}  // namespace ross::fabric::ucx
