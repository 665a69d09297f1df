// Recovery: what opening a pool does before anybody uses it: small blocks that rode in the store's log go to their places,
// nodes that lost their last name are deleted, long truncates and destroyed containers are finished. A pool with clients leaves the
// nodes to them first: they come back to what they had open.
//
// Bounded by what was under way, not by what the pool holds. Threading: owner thread, before the pool is shared.
#pragma once

#include "engine/core.h"

namespace ross::engine {

class Recovery {
 public:
  explicit Recovery(Core& core) : core_(core) {}
  // Loads the pool record, the containers, the space map, and who the clients are.
  Status load();
  // Then brings the pool to rest.
  Status run();
  // Frees everything a container holds, in slices, and the container itself. Not while it is open.
  static runtime::Task<Status> destroy_content(Core& core, format::ContainerId id);
  // Nodes without a name do not wait for anybody any more: deletes those that nobody has open.
  static runtime::Task<Status> release_orphans(Core& core);

 private:
  Status load_space();
  Status load_clients();
  Status replay_deferred();
  Status finish_orphans();
  static Result<std::vector<format::NodeKey>> find_orphans(Core& core);
  static runtime::Task<Status> finish_orphan(Core& core, format::NodeKey key);
  static runtime::Task<Status> delete_orphan(Core& core, format::NodeKey key);
  Core& core_;
};

}  // namespace ross::engine
