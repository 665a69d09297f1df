// Opening, looking up, duplicating and releasing objects.
#include <daos_fs.h>
#include <sys/stat.h>

#include "faces/dfs/global_handle.h"
#include "faces/dfs/mount.h"
#include "faces/dfs/thread_loop.h"
#include "fs/path.h"

namespace {

using ross::fail;
using ross::Result;
using ross::Status;
using ross::dfs::find_mount;
using ross::dfs::find_object;
using ross::dfs::Hints;
using ross::dfs::Library;
using ross::dfs::Mount;
using ross::dfs::Object;
using ross::dfs::wait_for;
using ross::fs::Attr;
using ross::fs::NodeId;

struct Request {
  dfs_obj_t* parent;
  const char* name;
  mode_t mode;
  int flags;
  daos_oclass_id_t oclass;
  daos_size_t chunk_bytes;
  const char* target;
};

Status keep_hints(const Mount& mount, const Request& request, NodeId node) {
  const Hints hints =
      ross::dfs::hints_for_new(mount, request.parent, request.oclass, request.chunk_bytes, request.mode);
  return hints.empty() ? Status() : ross::dfs::store_hints(*mount.fs, node, hints);
}

Result<dfs_obj_t*> open_file(Mount& mount, NodeId directory, const Request& request) {
  if ((request.flags & O_CREAT) == 0) {
    ROSS_TRY(const Attr attr, wait_for(mount.fs->lookup(mount.cred, directory, request.name)));
    if (!S_ISREG(attr.mode)) return fail(EINVAL);
    return open_node(mount, attr, request.flags);
  }
  const ross::fs::OpenFlags how = ross::fs::OpenFlags::from_posix(request.flags);
  ROSS_TRY(const ross::fs::Opened opened,
           wait_for(mount.fs->create(mount.cred, directory, request.name, request.mode & 07777, how)));
  auto object = std::make_unique<Object>();
  object->node = opened.attr.node;
  object->mode = opened.attr.mode;
  object->flags = request.flags;
  object->file = opened.file;
  Status status = S_ISREG(opened.attr.mode) ? Status() : Status(EINVAL);
  if (status.ok() && opened.created) status = keep_hints(mount, request, opened.attr.node);
  if (!status.ok()) {
    static_cast<void>(wait_for(mount.fs->close(opened.file)));
    return fail(std::move(status));
  }
  return hand_out(mount, std::move(object));
}

// Directories and links: made if asked for, and unless that must be new, the one that is there is taken.
Result<dfs_obj_t*> open_other(Mount& mount, NodeId directory, const Request& request) {
  const bool is_directory = S_ISDIR(request.mode);
  if ((request.flags & O_CREAT) != 0) {
    Result<Attr> made = is_directory
                            ? wait_for(mount.fs->mkdir(mount.cred, directory, request.name, request.mode & 07777))
                            : wait_for(mount.fs->symlink(mount.cred, directory, request.name, request.target));
    if (made) {
      ROSS_OK(keep_hints(mount, request, made->node));
      return open_node(mount, *made, request.flags & ~(O_CREAT | O_EXCL));
    }
    if (made.error().error() != EEXIST || (request.flags & O_EXCL) != 0) return fail(std::move(made).error());
  }
  ROSS_TRY(const Attr attr, wait_for(mount.fs->lookup(mount.cred, directory, request.name)));
  if (is_directory && !S_ISDIR(attr.mode)) return fail(ENOTDIR);
  if (!is_directory && !S_ISLNK(attr.mode)) return fail(EINVAL);
  return open_node(mount, attr, request.flags);
}

Result<dfs_obj_t*> open(Mount& mount, const Request& request) {
  if (!ross::dfs::is_name(request.name)) return fail(EINVAL);
  const bool changes =
      (request.flags & (O_CREAT | O_TRUNC)) != 0 || (S_ISREG(request.mode) && (request.flags & O_ACCMODE) != O_RDONLY);
  if (changes && !mount.writable) return fail(EPERM);
  ROSS_TRY(const NodeId directory, ross::dfs::directory_of(mount, request.parent));
  if (S_ISREG(request.mode)) return open_file(mount, directory, request);
  if (S_ISLNK(request.mode) && (request.flags & O_CREAT) != 0 && request.target == nullptr) return fail(EINVAL);
  if (S_ISDIR(request.mode) || S_ISLNK(request.mode)) return open_other(mount, directory, request);
  return fail(EINVAL);
}

int give(Mount& mount, const Result<Attr>& attr, int flags, dfs_obj_t** obj, mode_t* mode, struct stat* stbuf) {
  if (!attr) return attr.error().error();
  const auto opened = ross::dfs::open_node(mount, *attr, flags & ~(O_CREAT | O_EXCL | O_NOFOLLOW));
  if (!opened) return opened.error().error();
  *obj = *opened;
  if (mode != nullptr) *mode = attr->mode;
  if (stbuf != nullptr) fill_stat(mount, *attr, *stbuf);
  return 0;
}

ross::fs::Follow follow(int flags) {
  return (flags & O_NOFOLLOW) != 0 ? ross::fs::Follow::kNo : ross::fs::Follow::kYes;
}

}  // namespace

extern "C" {

int dfs_open(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode, int flags, daos_oclass_id_t cid,
             daos_size_t chunk_size, const char* value, dfs_obj_t** obj) {
  Mount* mount = find_mount(dfs);
  if (mount == nullptr || obj == nullptr) return EINVAL;
  const auto opened = open(*mount, {parent, name, mode, flags, cid, chunk_size, value});
  if (!opened) return opened.error().error();
  *obj = *opened;
  return 0;
}

int dfs_lookup(dfs_t* dfs, const char* path, int flags, dfs_obj_t** obj, mode_t* mode, struct stat* stbuf) {
  Mount* mount = find_mount(dfs);
  if (mount == nullptr || obj == nullptr) return EINVAL;
  const auto inside = ross::dfs::path_of(*mount, path);
  if (!inside) return inside.error().error();
  const auto attr = wait_for(resolve(*mount->fs, mount->cred, ross::fs::kRootNode, *inside, follow(flags)));
  return give(*mount, attr, flags, obj, mode, stbuf);
}

int dfs_lookup_rel(dfs_t* dfs, dfs_obj_t* parent, const char* name, int flags, dfs_obj_t** obj, mode_t* mode,
                   struct stat* stbuf) {
  Mount* mount = find_mount(dfs);
  if (mount == nullptr || obj == nullptr || name == nullptr) return EINVAL;
  return give(*mount, attr_of(*mount, parent, name, (flags & O_NOFOLLOW) == 0), flags, obj, mode, stbuf);
}

int dfs_dup(dfs_t* dfs, dfs_obj_t* obj, int flags, dfs_obj_t** new_obj) {
  Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || new_obj == nullptr) return EINVAL;
  return give(*mount, wait_for(mount->fs->getattr(object->node)), flags & ~O_TRUNC, new_obj, nullptr, nullptr);
}

int dfs_release(dfs_obj_t* obj) {
  Object* object = find_object(obj);
  if (object == nullptr) return EINVAL;
  return close_object(*Library::current(), *object).error();
}

int dfs_obj_local2global(dfs_t* dfs, dfs_obj_t* obj, d_iov_t* glob) {
  const Mount* mount = find_mount(dfs);
  const Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || glob == nullptr) return EINVAL;
  ross::dfs::GlobalWriter writer(ross::dfs::GlobalKind::kObject);
  writer.add(mount->container_name);
  writer.add(object->node.value);
  writer.add(std::uint64_t{static_cast<unsigned>(object->flags & (O_ACCMODE | O_APPEND))});
  return writer.store(glob).error();
}

int dfs_obj_global2local(dfs_t* dfs, int flags, d_iov_t glob, dfs_obj_t** obj) {
  Mount* mount = find_mount(dfs);
  if (mount == nullptr || obj == nullptr) return EINVAL;
  auto reader = ross::dfs::GlobalReader::open(glob, ross::dfs::GlobalKind::kObject);
  if (!reader) return reader.error().error();
  const auto container = reader->text();
  const auto node = reader->number();
  const auto kept = reader->number();
  if (!container || !node || !kept || *container != mount->container_name) return EINVAL;
  // Without flags the object is opened as it was, as far as this mount allows.
  const int before = mount->writable ? static_cast<int>(*kept & (O_ACCMODE | O_APPEND)) : O_RDONLY;
  const int meant = flags != 0 ? flags : before;
  return give(*mount, wait_for(mount->fs->getattr(NodeId(*node))), meant & ~O_TRUNC, obj, nullptr, nullptr);
}

int dfs_obj2id(dfs_obj_t* obj, daos_obj_id_t* oid) {
  const Object* object = find_object(obj);
  if (object == nullptr || oid == nullptr) return EINVAL;
  *oid = ross::dfs::object_id(object->node, object->mode);
  return 0;
}

int dfs_get_mode(dfs_obj_t* obj, mode_t* mode) {
  const Object* object = find_object(obj);
  if (object == nullptr || mode == nullptr) return EINVAL;
  *mode = object->mode;
  return 0;
}

int dfs_get_symlink_value(dfs_obj_t* obj, char* buf, daos_size_t* size) {
  const Object* object = find_object(obj);
  if (object == nullptr || size == nullptr || !S_ISLNK(object->mode)) return EINVAL;
  const daos_size_t room = std::exchange(*size, object->target.size() + 1);
  if (buf == nullptr || room == 0) return 0;
  const std::size_t copied = object->target.copy(buf, room - 1);
  buf[copied] = '\0';
  return 0;
}

// Objects are found by their node, not by their place: there is nothing to update.
int dfs_update_parent(dfs_obj_t* obj, dfs_obj_t* src_obj, const char* /*name*/) {
  return find_object(obj) != nullptr && find_object(src_obj) != nullptr ? 0 : EINVAL;
}

}  // extern "C"
