// Making, removing and moving names.
#include <daos_fs.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "faces/dfs/mount.h"
#include "faces/dfs/remove_tree.h"
#include "faces/dfs/thread_loop.h"

namespace {

using ross::Result;
using ross::Status;
using ross::dfs::directory_of;
using ross::dfs::find_mount;
using ross::dfs::is_name;
using ross::dfs::Mount;
using ross::dfs::wait_for;
using ross::fs::Attr;
using ross::fs::NodeId;

int rename(dfs_t* dfs, dfs_obj_t* parent, const char* name, dfs_obj_t* new_parent, const char* new_name,
           ross::fs::RenameFlags flags, daos_obj_id_t* oid) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr || !is_name(name) || !is_name(new_name)) return EINVAL;
  if (!mount->writable) return EPERM;
  const auto from = directory_of(*mount, parent);
  if (!from) return from.error().error();
  const auto to = directory_of(*mount, new_parent);
  if (!to) return to.error().error();
  if (oid != nullptr) {
    const auto replaced = wait_for(mount->fs->lookup(mount->cred, *to, new_name));
    *oid = replaced ? ross::dfs::object_id(replaced->node, replaced->mode) : daos_obj_id_t{};
  }
  return wait_for(mount->fs->rename(mount->cred, *from, name, *to, new_name, flags)).error();
}

}  // namespace

extern "C" {

int dfs_mkdir(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode, daos_oclass_id_t cid) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr || !is_name(name)) return EINVAL;
  if (!mount->writable) return EPERM;
  const auto directory = directory_of(*mount, parent);
  if (!directory) return directory.error().error();
  const auto made = wait_for(mount->fs->mkdir(mount->cred, *directory, name, mode & 07777));
  if (!made) return made.error().error();
  const ross::dfs::Hints hints = ross::dfs::hints_for_new(*mount, parent, cid, 0, S_IFDIR);
  return hints.empty() ? 0 : ross::dfs::store_hints(*mount->fs, made->node, hints).error();
}

int dfs_remove(dfs_t* dfs, dfs_obj_t* parent, const char* name, bool force, daos_obj_id_t* oid) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr || !is_name(name)) return EINVAL;
  if (!mount->writable) return EPERM;
  const auto directory = directory_of(*mount, parent);
  if (!directory) return directory.error().error();
  const auto attr = wait_for(mount->fs->lookup(mount->cred, *directory, name));
  if (!attr) return attr.error().error();
  if (oid != nullptr) *oid = ross::dfs::object_id(attr->node, attr->mode);
  if (!S_ISDIR(attr->mode)) return wait_for(mount->fs->unlink(mount->cred, *directory, name)).error();
  const Status status = wait_for(mount->fs->rmdir(mount->cred, *directory, name));
  if (!force || status.error() != ENOTEMPTY) return status.error();
  return wait_for(ross::dfs::remove_tree(*mount->fs, mount->cred, *directory, name, attr->node)).error();
}

int dfs_move(dfs_t* dfs, dfs_obj_t* parent, const char* name, dfs_obj_t* new_parent, const char* new_name,
             daos_obj_id_t* oid) {
  return rename(dfs, parent, name, new_parent, new_name, ross::fs::RenameFlags::kReplace, oid);
}

int dfs_exchange(dfs_t* dfs, dfs_obj_t* parent1, const char* name1, dfs_obj_t* parent2, const char* name2) {
  return rename(dfs, parent1, name1, parent2, name2, ross::fs::RenameFlags::kExchange, nullptr);
}

}  // extern "C"
