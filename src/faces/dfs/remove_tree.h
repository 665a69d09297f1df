// remove_tree: a directory with everything below it.
//
// Not atomic: an error leaves what was not removed yet. Entries that others remove meanwhile are no error; entries that
// others keep making end it with ENOTEMPTY. Memory: the entries of one directory page per level.
// Threading: any thread that drives a loop.
#pragma once

#include <string>

#include "fs/file_system.h"

namespace ross::dfs {

// parent and name say where directory stands. The arguments must live until the task is done; name is copied.
fs::AsyncStatus remove_tree(fs::FileSystem& fs, const fs::Credential& cred, fs::NodeId parent, std::string name,
                            fs::NodeId directory);

}  // namespace ross::dfs
