#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "faces/dfs/directory.h"
#include "faces/dfs/thread_loop.h"

namespace ross::dfs {

Result<std::uint64_t> cursor_of(const daos_anchor_t& anchor) {
  std::uint64_t cursor = 0;
  if (anchor.da_type == DAOS_ANCHOR_TYPE_ZERO) return cursor;
  if (anchor.da_type != DAOS_ANCHOR_TYPE_HKEY) return fail(EINVAL);
  std::memcpy(&cursor, anchor.da_buf, sizeof cursor);
  return cursor;
}

void set_cursor(daos_anchor_t& anchor, std::uint64_t cursor) {
  anchor.da_type = DAOS_ANCHOR_TYPE_HKEY;
  std::memcpy(anchor.da_buf, &cursor, sizeof cursor);
}

void set_end(daos_anchor_t& anchor) { anchor.da_type = DAOS_ANCHOR_TYPE_EOF; }

Result<std::vector<fs::DirEntry>> next_entries(const Mount& mount, fs::NodeId directory, std::uint64_t cursor,
                                               std::size_t entries_max, bool with_attr) {
  const fs::ReaddirOptions options{.cursor = cursor, .entries_max = entries_max, .with_attr = with_attr};
  return wait_for(mount.fs->readdir(mount.cred, directory, options));
}

Result<fs::NodeId> listed_directory(const Mount* mount, const dfs_obj_t* obj) {
  if (mount == nullptr || obj == nullptr) return fail(EINVAL);
  return directory_of(*mount, obj);
}

void fill_dirent(const fs::DirEntry& entry, struct dirent& to) {
  to = {};
  to.d_ino = entry.node.value;
  to.d_off = static_cast<off_t>(entry.cursor);
  to.d_reclen = sizeof to;
  to.d_type = static_cast<unsigned char>(IFTODT(entry.type));
  to.d_name[entry.name.copy(to.d_name, sizeof to.d_name - 1)] = '\0';
}

namespace {

int read_entries(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, struct dirent* dirs,
                 struct stat* stbufs) {
  const Mount* mount = find_mount(dfs);
  const auto directory = listed_directory(mount, obj);
  if (!directory) return directory.error().error();
  if (anchor == nullptr || nr == nullptr || dirs == nullptr || *nr == 0) return EINVAL;
  std::uint32_t filled = 0;
  const int error = list(*mount, *directory, *anchor, *nr, stbufs != nullptr, [&](const fs::DirEntry& entry) {
    if (stbufs != nullptr) {
      if (!entry.attr) return true;  // gone between being listed and being looked at
      fill_stat(*mount, *entry.attr, stbufs[filled]);
    }
    fill_dirent(entry, dirs[filled++]);
    return true;
  });
  *nr = filled;
  return filled > 0 ? 0 : error;
}

}  // namespace
}  // namespace ross::dfs

using ross::dfs::find_mount;
using ross::dfs::find_object;
using ross::dfs::Mount;

extern "C" {

int dfs_readdir(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, struct dirent* dirs) {
  return ross::dfs::read_entries(dfs, obj, anchor, nr, dirs, nullptr);
}

int dfs_readdirplus(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, struct dirent* dirs,
                    struct stat* stbufs) {
  if (stbufs == nullptr) return EINVAL;
  return ross::dfs::read_entries(dfs, obj, anchor, nr, dirs, stbufs);
}

int dfs_iterate(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, size_t size, dfs_filler_cb_t op,
                void* arg) {
  const Mount* mount = find_mount(dfs);
  const auto directory = ross::dfs::listed_directory(mount, obj);
  if (!directory) return directory.error().error();
  if (anchor == nullptr || nr == nullptr || *nr == 0 || size == 0) return EINVAL;
  int answer = 0;
  std::uint32_t passed = 0;
  std::size_t name_bytes = 0;  // size bounds the names handed over in one call; one always fits
  const int error = ross::dfs::list(*mount, *directory, *anchor, *nr, false, [&](const ross::fs::DirEntry& entry) {
    if (answer != 0 || (passed > 0 && name_bytes + entry.name.size() > size)) return false;
    name_bytes += entry.name.size();
    ++passed;
    if (op != nullptr) answer = op(dfs, obj, entry.name.c_str(), arg);
    return true;
  });
  *nr = passed;
  return answer != 0 ? answer : error;
}

int dfs_dir_anchor_set(dfs_obj_t* obj, const char name[], daos_anchor_t* anchor) {
  const ross::dfs::Object* object = find_object(obj);
  if (object == nullptr || anchor == nullptr || !ross::dfs::is_name(name)) return EINVAL;
  if (!S_ISDIR(object->mode)) return ENOTDIR;
  daos_anchor_t at = DAOS_ANCHOR_INIT;
  bool found = false;
  const int error =
      ross::dfs::list(*object->mount, object->node, at, SIZE_MAX, false, [&](const ross::fs::DirEntry& entry) {
        if (found) return false;
        found = entry.name == name;
        return true;
      });
  if (error != 0) return error;
  if (!found) return ENOENT;
  *anchor = at;
  return 0;
}

int dfs_obj_anchor_split(dfs_obj_t* obj, uint32_t* nr, daos_anchor_t* anchors) {
  const ross::dfs::Object* object = find_object(obj);
  if (object == nullptr || nr == nullptr || !S_ISDIR(object->mode)) return EINVAL;
  if (*nr > 0 && anchors != nullptr) anchors[0] = DAOS_ANCHOR_INIT;
  *nr = 1;
  return 0;
}

int dfs_obj_anchor_set(dfs_obj_t* obj, uint32_t index, daos_anchor_t* anchor) {
  const ross::dfs::Object* object = find_object(obj);
  if (object == nullptr || anchor == nullptr || index != 0 || !S_ISDIR(object->mode)) return EINVAL;
  *anchor = DAOS_ANCHOR_INIT;
  return 0;
}

}  // extern "C"
