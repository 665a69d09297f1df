// Attributes: stat, chmod, chown, sizes, holes, and the hints that DFS keeps of objects.
#include <daos_fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faces/dfs/mount.h"
#include "faces/dfs/thread_loop.h"

namespace {

using ross::Result;
using ross::dfs::attr_of;
using ross::dfs::fill_stat;
using ross::dfs::find_mount;
using ross::dfs::find_object;
using ross::dfs::Hints;
using ross::dfs::Mount;
using ross::dfs::Object;
using ross::dfs::wait_for;
using ross::fs::Attr;
using ross::fs::NodeId;
using ross::fs::SetAttr;

constexpr int kSetAttrAll = DFS_SET_ATTR_MODE | DFS_SET_ATTR_ATIME | DFS_SET_ATTR_MTIME | DFS_SET_ATTR_SIZE |
                            DFS_SET_ATTR_UID | DFS_SET_ATTR_GID;

std::int64_t ns_of(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

int tell(const Result<Attr>& attr) { return attr ? 0 : attr.error().error(); }

int set_size(const Mount& mount, const Object& object, std::uint64_t size_bytes) {
  const SetAttr change{.size_bytes = size_bytes};
  return tell(wait_for(mount.fs->setattr(mount.cred, object.node, change, object.file)));
}

// What an object gives of a size and classes: its own, else its container's.
daos_size_t chunk_bytes(const Object& object, const Hints& own) {
  if (own.chunk_bytes != 0) return own.chunk_bytes;
  return object.mount->defaults.chunk_bytes != 0 ? object.mount->defaults.chunk_bytes : DFS_DEFAULT_CHUNK_SIZE;
}

// Changes the hints of a directory, for what is made in it from then on.
template <class Change>
int change_hints(dfs_t* dfs, dfs_obj_t* obj, int flags, Change change) {
  Mount* mount = find_mount(dfs);
  Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || flags != 0) return EINVAL;
  if (!S_ISDIR(object->mode)) return ENOTSUP;
  if (!mount->writable) return EPERM;
  const ross::Status allowed = wait_for(mount->fs->access(mount->cred, object->node, W_OK));
  if (!allowed.ok()) return allowed.error();
  Hints hints = hints_of(*object);
  change(hints);
  const ross::Status stored = store_hints(*mount->fs, object->node, hints);
  if (!stored.ok()) return stored.error();
  const std::lock_guard lock(mount->mutex);
  if (object->node == ross::fs::kRootNode) {
    mount->defaults = hints;
  } else {
    object->hints = hints;
  }
  return 0;
}

}  // namespace

extern "C" {

int dfs_stat(dfs_t* dfs, dfs_obj_t* parent, const char* name, struct stat* stbuf) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr || stbuf == nullptr) return EINVAL;
  const auto attr = attr_of(*mount, parent, name, false);
  if (!attr) return attr.error().error();
  fill_stat(*mount, *attr, *stbuf);
  return 0;
}

int dfs_ostat(dfs_t* dfs, dfs_obj_t* obj, struct stat* stbuf) {
  const Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || stbuf == nullptr) return EINVAL;
  const auto attr = wait_for(mount->fs->getattr(object->node));
  if (!attr) return attr.error().error();
  fill_stat(*mount, *attr, *stbuf);
  return 0;
}

int dfs_osetattr(dfs_t* dfs, dfs_obj_t* obj, struct stat* stbuf, int flags) {
  const Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || stbuf == nullptr || (flags & ~kSetAttrAll) != 0) return EINVAL;
  if (!mount->writable) return EPERM;
  SetAttr change;
  if ((flags & DFS_SET_ATTR_MODE) != 0) change.mode = stbuf->st_mode & 07777;
  if ((flags & DFS_SET_ATTR_UID) != 0) change.uid = stbuf->st_uid;
  if ((flags & DFS_SET_ATTR_GID) != 0) change.gid = stbuf->st_gid;
  if ((flags & DFS_SET_ATTR_ATIME) != 0) change.atime_ns = ns_of(stbuf->st_atim);
  if ((flags & DFS_SET_ATTR_MTIME) != 0) change.mtime_ns = ns_of(stbuf->st_mtim);
  if ((flags & DFS_SET_ATTR_SIZE) != 0) {
    if (!S_ISREG(object->mode)) return EISDIR;
    if (stbuf->st_size < 0) return EINVAL;
    change.size_bytes = static_cast<std::uint64_t>(stbuf->st_size);
  }
  const bool by_file = object->file && (object->flags & O_ACCMODE) != O_RDONLY;
  const auto attr =
      wait_for(mount->fs->setattr(mount->cred, object->node, change, by_file ? object->file : std::nullopt));
  if (!attr) return attr.error().error();
  fill_stat(*mount, *attr, *stbuf);
  return 0;
}

int dfs_access(dfs_t* dfs, dfs_obj_t* parent, const char* name, int mask) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr || (mask & ~(R_OK | W_OK | X_OK)) != 0) return EINVAL;
  if ((mask & W_OK) != 0 && !mount->writable) return EPERM;
  const auto attr = attr_of(*mount, parent, name, true);
  if (!attr) return attr.error().error();
  return mask == F_OK ? 0 : wait_for(mount->fs->access(mount->cred, attr->node, mask)).error();
}

int dfs_chmod(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr) return EINVAL;
  if (!mount->writable) return EPERM;
  const auto attr = attr_of(*mount, parent, name, true);
  if (!attr) return attr.error().error();
  if ((mode & S_IFMT) != 0 && (mode & S_IFMT) != (attr->mode & S_IFMT)) return EINVAL;
  const SetAttr change{.mode = mode & 07777};
  return tell(wait_for(mount->fs->setattr(mount->cred, attr->node, change)));
}

int dfs_chown(dfs_t* dfs, dfs_obj_t* parent, const char* name, uid_t uid, gid_t gid, int flags) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr) return EINVAL;
  if (!mount->writable) return EPERM;
  const auto attr = attr_of(*mount, parent, name, (flags & O_NOFOLLOW) == 0);
  if (!attr) return attr.error().error();
  SetAttr change;
  if (uid != static_cast<uid_t>(-1)) change.uid = uid;
  if (gid != static_cast<gid_t>(-1)) change.gid = gid;
  if (!change.uid && !change.gid) return 0;
  return tell(wait_for(mount->fs->setattr(mount->cred, attr->node, change)));
}

int dfs_get_size(dfs_t* dfs, dfs_obj_t* obj, daos_size_t* size) {
  const Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || size == nullptr || !S_ISREG(object->mode)) return EINVAL;
  const auto attr = wait_for(mount->fs->getattr(object->node));
  if (!attr) return attr.error().error();
  *size = attr->size_bytes;
  return 0;
}

int dfs_get_size_by_oid(dfs_t* dfs, daos_obj_id_t oid, daos_size_t /*chunk_size*/, daos_size_t* size) {
  const Mount* mount = find_mount(dfs);
  if (mount == nullptr || size == nullptr || daos_obj_id2type(oid) != DAOS_OT_ARRAY_BYTE) return EINVAL;
  const auto attr = wait_for(mount->fs->getattr(NodeId(oid.lo)));
  if (!attr) return attr.error().error();
  if (!S_ISREG(attr->mode)) return EINVAL;
  *size = attr->size_bytes;
  return 0;
}

// As in DFS: a hole that reaches the end of the file or beyond cuts the file off at offset instead.
int dfs_punch(dfs_t* dfs, dfs_obj_t* obj, daos_off_t offset, daos_size_t len) {
  const Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || !object->file) return EINVAL;
  if ((object->flags & O_ACCMODE) == O_RDONLY) return EPERM;
  if (len == DFS_MAX_FSIZE) return set_size(*mount, *object, offset);
  const auto attr = wait_for(mount->fs->getattr(object->node));
  if (!attr) return attr.error().error();
  const std::uint64_t size = attr->size_bytes;
  if (offset >= size || len >= size - offset) return offset == size ? 0 : set_size(*mount, *object, offset);
  if (len == 0) return 0;
  return wait_for(mount->fs->fallocate(*object->file, ross::fs::Fallocate::kPunchHole, offset, len)).error();
}

int dfs_obj_get_info(dfs_t* dfs, dfs_obj_t* obj, dfs_obj_info_t* info) {
  const Mount* mount = find_mount(dfs);
  Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || info == nullptr) return EINVAL;
  const Hints own = hints_of(*object);
  const Hints& defaults = mount->defaults;
  const auto first = [](auto... classes) {
    daos_oclass_id_t found = 0;
    ((found = found != 0 ? found : classes), ...);
    return found;
  };
  const bool directory = S_ISDIR(object->mode);
  info->doi_dir_oclass_id = first(own.dir_oclass, directory ? own.oclass : 0, defaults.dir_oclass, defaults.oclass,
                                  static_cast<daos_oclass_id_t>(OC_S1));
  info->doi_file_oclass_id = first(own.file_oclass, directory ? own.oclass : 0, defaults.file_oclass, defaults.oclass,
                                   static_cast<daos_oclass_id_t>(OC_SX));
  info->doi_oclass_id = first(own.oclass, directory ? info->doi_dir_oclass_id : info->doi_file_oclass_id);
  info->doi_chunk_size = chunk_bytes(*object, own);
  info->doi_oid = ross::dfs::object_id(object->node, object->mode);
  return 0;
}

int dfs_obj_set_oclass(dfs_t* dfs, dfs_obj_t* obj, int flags, daos_oclass_id_t cid) {
  return change_hints(dfs, obj, flags, [cid](Hints& hints) { hints.dir_oclass = hints.file_oclass = cid; });
}

int dfs_obj_set_chunk_size(dfs_t* dfs, dfs_obj_t* obj, int flags, daos_size_t csize) {
  return change_hints(dfs, obj, flags, [csize](Hints& hints) { hints.chunk_bytes = csize; });
}

int dfs_get_chunk_size(dfs_obj_t* obj, daos_size_t* chunk_size) {
  Object* object = find_object(obj);
  if (object == nullptr || chunk_size == nullptr || !S_ISREG(object->mode)) return EINVAL;
  *chunk_size = chunk_bytes(*object, hints_of(*object));
  return 0;
}

int dfs_suggest_oclass(dfs_t* dfs, const char* hint, daos_oclass_id_t* cid) {
  if (find_mount(dfs) == nullptr || hint == nullptr || cid == nullptr) return EINVAL;
  const std::string_view text(hint, strnlen(hint, DAOS_CONT_HINT_MAX_LEN));
  const auto files = ross::dfs::class_from_text(text, false);
  if (!files) return files.error().error();
  const auto directories = ross::dfs::class_from_text(text, true);
  *cid = *files != 0 ? *files : *directories;
  return *cid != 0 ? 0 : EINVAL;
}

}  // extern "C"
