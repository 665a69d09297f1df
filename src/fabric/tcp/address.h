// Addresses of the tcp backend: "127.0.0.1:7471", "[::1]:7471", "host.example:7471".
//
// Threading: any thread.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::fabric::tcp {

struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
};

// An address of the kernel's.
struct Place {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

// EINVAL with what is expected.
Result<HostPort> parse(std::string_view address);
// A numeric host needs no lookup.
std::optional<Place> numeric(const HostPort& address);
std::string to_text(const HostPort& address);
std::string to_text(const Place& place);
[[nodiscard]] std::uint16_t port_of(const Place& place);
[[nodiscard]] bool is_wildcard(const Place& place);

}  // namespace ross::fabric::tcp
