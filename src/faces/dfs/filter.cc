#include "faces/dfs/filter.h"

#include <daos_fs.h>

#include <cstring>

#include "faces/dfs/directory.h"

namespace ross::dfs {

// Two positions to come back to suffice: those of the last '%', tried with one byte more each time.
bool matches_like(std::string_view name, std::string_view pattern) {
  std::size_t n = 0;
  std::size_t p = 0;
  std::size_t star_p = std::string_view::npos;
  std::size_t star_n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star_p = p++;
      star_n = n;
      continue;
    }
    const bool quoted = p + 1 < pattern.size() && pattern[p] == '\\';
    const std::size_t at = quoted ? p + 1 : p;
    if (at < pattern.size() && (pattern[at] == name[n] || (!quoted && pattern[at] == '_'))) {
      p = at + 1;
      ++n;
      continue;
    }
    if (star_p == std::string_view::npos) return false;
    p = star_p + 1;
    n = ++star_n;
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

bool Pipeline::passes(const fs::DirEntry& entry) const {
  if (include_directories && S_ISDIR(entry.type)) return true;
  if (name && !matches_like(entry.name, *name)) return false;
  if (newer_than_s && (!entry.attr || entry.attr->mtime_ns / 1'000'000'000 <= *newer_than_s)) return false;
  return true;
}

}  // namespace ross::dfs

using ross::dfs::as_cookie;
using ross::dfs::as_pointer;
using ross::dfs::find_mount;
using ross::dfs::Library;
using ross::dfs::Mount;
using ross::dfs::Pipeline;

extern "C" {

int dfs_pipeline_create(dfs_t* dfs, dfs_predicate_t pred, uint64_t flags, dfs_pipeline_t** dpipe) {
  constexpr std::uint64_t kAll = DFS_FILTER_NAME | DFS_FILTER_NEWER | DFS_FILTER_INCLUDE_DIRS;
  if (find_mount(dfs) == nullptr || dpipe == nullptr || (flags & ~kAll) != 0) return EINVAL;
  auto pipeline = std::make_unique<Pipeline>();
  if ((flags & DFS_FILTER_NAME) != 0) {
    const std::size_t size = strnlen(pred.dp_name, sizeof pred.dp_name);
    pipeline->name = std::string(pred.dp_name, size);
  }
  if ((flags & DFS_FILTER_NEWER) != 0) pipeline->newer_than_s = pred.dp_newer;
  pipeline->include_directories = (flags & DFS_FILTER_INCLUDE_DIRS) != 0;
  const auto cookie = Library::current()->pipelines.add(std::move(pipeline));
  if (!cookie) return cookie.error().error();
  *dpipe = as_pointer<dfs_pipeline_t*>(*cookie);
  return 0;
}

int dfs_pipeline_destroy(dfs_pipeline_t* dpipe) {
  Library* library = Library::current();
  return library != nullptr && library->pipelines.remove(as_cookie(dpipe)) != nullptr ? 0 : EINVAL;
}

int dfs_readdir_with_filter(dfs_t* dfs, dfs_obj_t* obj, dfs_pipeline_t* dpipe, daos_anchor_t* anchor, uint32_t* nr,
                            struct dirent* dirs, daos_obj_id_t* oids, daos_size_t* csizes, uint64_t* nr_scanned) {
  const Mount* mount = find_mount(dfs);
  const auto directory = ross::dfs::listed_directory(mount, obj);
  if (!directory) return directory.error().error();
  const Pipeline* pipeline = Library::current()->pipelines.find(as_cookie(dpipe));
  if (pipeline == nullptr || anchor == nullptr || nr == nullptr || dirs == nullptr || *nr == 0) return EINVAL;
  std::uint32_t filled = 0;
  std::uint64_t scanned = 0;
  const std::uint32_t room = *nr;
  const int error = ross::dfs::list(*mount, *directory, *anchor, SIZE_MAX, true, [&](const ross::fs::DirEntry& entry) {
    if (filled == room) return false;
    ++scanned;
    if (!pipeline->passes(entry)) return true;
    ross::dfs::fill_dirent(entry, dirs[filled]);
    if (oids != nullptr) oids[filled] = ross::dfs::object_id(entry.node, entry.type);
    if (csizes != nullptr) csizes[filled] = DFS_DEFAULT_CHUNK_SIZE;
    ++filled;
    return true;
  });
  *nr = filled;
  if (nr_scanned != nullptr) *nr_scanned = scanned;
  return filled > 0 ? 0 : error;
}

}  // extern "C"
