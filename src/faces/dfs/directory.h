// Directory listings with DAOS anchors: where a listing stands, kept in the program's daos_anchor_t.
//
// An anchor is at the beginning (all zeros), behind an entry (the file system's cursor in da_buf), or at the end. It is
// the program's memory and checked as such. Threading: any thread.
#pragma once

#include <daos_fs.h>

#include <cstdint>
#include <vector>

#include "faces/dfs/mount.h"

namespace ross::dfs {

// EINVAL for an anchor that is none.
Result<std::uint64_t> cursor_of(const daos_anchor_t& anchor);
void set_cursor(daos_anchor_t& anchor, std::uint64_t cursor);
void set_end(daos_anchor_t& anchor);

// Calls each(entry) for entries behind the anchor until it returns false or the directory ends, moving the anchor
// along: an entry for which each returned false is not passed.
template <class Each>
int list(const Mount& mount, fs::NodeId directory, daos_anchor_t& anchor, std::size_t entries_max, bool with_attr,
         Each each);

// The next entries, empty at the end.
Result<std::vector<fs::DirEntry>> next_entries(const Mount& mount, fs::NodeId directory, std::uint64_t cursor,
                                               std::size_t entries_max, bool with_attr);

template <class Each>
int list(const Mount& mount, fs::NodeId directory, daos_anchor_t& anchor, std::size_t entries_max, bool with_attr,
         Each each) {
  constexpr std::size_t kBatch = 1024;
  if (anchor.da_type == DAOS_ANCHOR_TYPE_EOF) return 0;
  auto cursor = cursor_of(anchor);
  if (!cursor) return cursor.error().error();
  for (std::size_t left = entries_max; left > 0;) {
    auto entries = next_entries(mount, directory, *cursor, std::min(left, kBatch), with_attr);
    if (!entries) return entries.error().error();
    if (entries->empty()) {
      set_end(anchor);
      return 0;
    }
    for (const fs::DirEntry& entry : *entries) {
      if (!each(entry)) return 0;
      *cursor = entry.cursor;
      set_cursor(anchor, *cursor);
      --left;
    }
  }
  return 0;
}

// The directory argument of a listing call.
Result<fs::NodeId> listed_directory(const Mount* mount, const dfs_obj_t* obj);
void fill_dirent(const fs::DirEntry& entry, struct dirent& to);

}  // namespace ross::dfs
