#include "server/credentials.h"

#include <unistd.h>

#include <algorithm>

namespace ross::server {

Status may_act_for(const fabric::Peer& caller, uid_t uid, gid_t gid, std::span<const gid_t> groups) {
  if (caller.uid == 0) return {};
  const auto belongs = [&caller](gid_t asked) {
    return asked == caller.gid || std::find(caller.groups.begin(), caller.groups.end(), asked) != caller.groups.end();
  };
  if (uid == caller.uid && belongs(gid) && std::all_of(groups.begin(), groups.end(), belongs)) return {};
  return Status(EPERM, "only root may act for other users and groups");
}

Status may_change_pool(const fabric::Peer& caller) {
  if (caller.uid == 0 || caller.uid == ::geteuid()) return {};
  return Status(EPERM, "only root and the owner of the pool change its containers");
}

}  // namespace ross::server
