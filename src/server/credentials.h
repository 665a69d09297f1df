// Who may do what through a server: the rules that both planes hold callers to. Threading: any thread.
#pragma once

#include <span>

#include "base/status.h"
#include "fabric/channel.h"

namespace ross::server {

// Whether a caller may act for a user with these groups: EPERM unless it is root, or asks for itself.
Status may_act_for(const fabric::Peer& caller, uid_t uid, gid_t gid, std::span<const gid_t> groups);
// Whether a caller may make, change and destroy containers: EPERM unless it is root or this process's user.
Status may_change_pool(const fabric::Peer& caller);

}  // namespace ross::server
