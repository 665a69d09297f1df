// How many forks lie between this process and the one that loaded the library: what was made at another count belongs to
// another process. Threading: any thread.
#pragma once

#include <cstdint>

namespace ross::dfs {

std::uint32_t fork_count();
// Runs in the child of every fork from now on, when the child has only one thread. One hook: the library state.
void at_fork(void (*in_child)());

}  // namespace ross::dfs
