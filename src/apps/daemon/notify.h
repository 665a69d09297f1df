// Telling systemd how a service is doing (sd_notify's protocol): a datagram to the socket that NOTIFY_SOCKET names. Does
// nothing where there is none. Threading: any thread.
#pragma once

#include <string_view>

namespace ross::daemon {

// state: "READY=1", "STOPPING=1", "STATUS=..."; several, one a line.
void notify_systemd(std::string_view state);

}  // namespace ross::daemon
