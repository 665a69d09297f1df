// Recovery: what opening a pool does before anybody uses it: small blocks that rode in the store's log go to their places,
// nodes that lost their last name are deleted, long truncates and destroyed containers are finished.
//
// Bounded by what was under way, not by what the pool holds. Threading: owner thread, before the pool is shared.
#pragma once

#include "engine/core.h"

namespace ross::engine {

class Recovery {
 public:
  explicit Recovery(Core& core) : core_(core) {}
  // Loads the pool record, the containers and the space map.
  Status load();
  // Then brings the pool to rest.
  Status run();
  // Frees everything a container holds, in slices, and the container itself. Not while it is open.
  static runtime::Task<Status> destroy_content(Core& core, format::ContainerId id);

 private:
  Status load_space();
  Status replay_deferred();
  Status finish_orphans();
  static runtime::Task<Status> finish_orphan(Core& core, format::NodeKey key);
  Core& core_;
};

}  // namespace ross::engine
