// Hints: chunk size and object classes, which steer placement in DAOS. ROSS keeps them so that a program that asks gets
// back what it gave, as an extended attribute that only uid 0 sees; nodes without any have none.
//
// Threading: immutable values; load and store block the calling thread.
#pragma once

#include <daos_obj_class.h>

#include <cstdint>
#include <string>

#include "fs/file_system.h"

namespace ross::dfs {

struct Hints {
  std::uint64_t chunk_bytes = 0;    // 0: the default
  daos_oclass_id_t oclass = 0;      // of the node itself, or for everything in a directory
  daos_oclass_id_t dir_oclass = 0;  // directories: for directories made in it
  daos_oclass_id_t file_oclass = 0;
  std::uint32_t mode = 0;  // the container's consistency mode, as given
  std::string text;        // the container's hint string
  bool operator==(const Hints&) const = default;
  [[nodiscard]] bool empty() const { return *this == Hints{}; }
};

std::string encode(const Hints& hints);
// What cannot be read is no hint.
Hints decode(std::string_view text);

Hints load_hints(fs::FileSystem& fs, fs::NodeId node);
Status store_hints(fs::FileSystem& fs, fs::NodeId node, const Hints& hints);
// Whether an extended attribute is the face's own and not to be shown.
bool is_own_xattr(std::string_view name);

// The class that a hint string such as "file:single,dir:max" names for directories or files; 0 for none.
// EINVAL for a string that is no hint.
Result<daos_oclass_id_t> class_from_text(std::string_view text, bool directory);

}  // namespace ross::dfs
