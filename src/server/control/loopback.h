// Loopback: whose connections over this machine's own interface are, as texts that gRPC and the kernel give say it.
//
// Threading: any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::server::control {

// Whether an address ("127.0.0.1:7470", "[::1]:7470") is this machine's own business. EINVAL when it is no numeric address.
Result<bool> is_loopback(std::string_view address);

// A loopback address as the kernel's tables write it. An IPv4 one may be in either table: "0100007F:1D2E" in tcp's, mapped into
// IPv6 in tcp6's, as sockets for both are; an IPv6 one is in tcp6's alone.
struct TableAddress {
  std::string in_tcp;  // empty: not there
  std::string in_tcp6;
};
// From the name that gRPC gives a peer: "ipv4:127.0.0.1:54321", "ipv6:%5B::1%5D:54321". EACCES when it is not a loopback address.
Result<TableAddress> loopback_address(std::string_view peer);

// The user of the established socket of this machine whose own end is that address, by the text of such a table. ENOENT.
Result<uid_t> socket_owner(std::string_view table, std::string_view address);

}  // namespace ross::server::control
