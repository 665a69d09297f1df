// System and Listing: what dfs_sys_t* and the DIR* of dfs_sys_opendir stand for: a mount used by paths.
//
// Ownership: a System owns its mount. Threading: a System any thread, a Listing one thread at a time.
#pragma once

#include <daos_fs.h>
#include <dirent.h>

#include <cstdint>
#include <vector>

#include "faces/dfs/library.h"
#include "fs/file_system.h"

namespace ross::dfs {

struct System {
  std::uint64_t mount = 0;
};

struct Listing {
  std::uint64_t mount = 0;
  fs::NodeId directory;
  std::uint64_t cursor = 0;
  std::vector<fs::DirEntry> batch;
  std::size_t next = 0;
  struct dirent entry {};
};

// Closes a System and its mount; said on stderr if that fails.
void close_system(Library& library, std::uint64_t cookie);

}  // namespace ross::dfs
