// Paths over a FileSystem: walking, symbolic links, "." and "..".
//
//   auto attr = co_await fs::resolve(fs, cred, fs::kRootNode, "a/b/../c", fs::Follow::kYes);
//
// A walk follows at most kSymlinksMax links (ELOOP) and takes at most kPathBytesMax bytes (ENAMETOOLONG). ".." of the
// root is the root. A trailing '/' demands a directory. Threading: any thread that drives a loop.
#pragma once

#include <string>
#include <string_view>

#include "fs/file_system.h"

namespace ross::fs {

inline constexpr int kSymlinksMax = 40;
inline constexpr std::size_t kPathBytesMax = 4096;

enum class Follow : std::uint8_t { kNo, kYes };  // whether a link in the last place is followed

Async<Attr> resolve(FileSystem& fs, const Credential& cred, NodeId start, std::string_view path, Follow follow);

// Where a new name would go: the directory, and the last component as the caller gave it (never empty, "." or "..":
// those are EEXIST for creation and EINVAL or EBUSY elsewhere, so `special` tells).
struct Place {
  NodeId parent;
  std::string name;
  bool special = false;          // the path ends in ".", ".." or is the root
  bool wants_directory = false;  // it ended in '/'
};
Async<Place> resolve_parent(FileSystem& fs, const Credential& cred, NodeId start, std::string_view path);

}  // namespace ross::fs
