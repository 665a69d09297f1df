// Calls that work on paths.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "faces/capi/handles.h"
#include "faces/capi/walk.h"
#include "fs/path.h"

namespace {

using ross::Result;
using ross::Status;
using ross::capi::done;
using ross::capi::guarded;
using ross::capi::kNullArgument;
using ross::capi::run;
using ross::capi::tell;
using ross::fs::Async;
using ross::fs::AsyncStatus;
using ross::fs::Attr;
using ross::fs::Follow;
using ross::fs::kRootNode;
using ross::fs::Place;

Result<Attr> find(ross_store* store, const char* path, Follow follow) {
  return run(ross::fs::resolve(store->fs(), store->cred, kRootNode, path, follow));
}

// The place for a name to make; "." and ".." and the root exist already.
Result<Place> new_place(ross_store* store, const char* path) {
  Result<Place> place = run(ross::fs::resolve_parent(store->fs(), store->cred, kRootNode, path));
  if (place.has_value() && place->special) return ross::fail(EEXIST);
  return place;
}

// The place of a name to remove or move; error is what "." and its like answer.
Result<Place> old_place(ross_store* store, const char* path, int error) {
  Result<Place> place = run(ross::fs::resolve_parent(store->fs(), store->cred, kRootNode, path));
  if (place.has_value() && place->special) return ross::fail(error, "the path ends in '.', '..' or is the root");
  return place;
}

int change(ross_store* store, const char* path, const ross::fs::SetAttr& wanted) {
  const Result<Attr> attr = find(store, path, Follow::kYes);
  if (!attr.has_value()) return tell(attr.error());
  const Result<Attr> changed = run(store->fs().setattr(store->cred, attr->node, wanted));
  return changed.has_value() ? 0 : tell(changed.error());
}

int stat_path(ross_store* store, const char* path, ross_attr* attr, Follow follow) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr || attr == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Attr> found = find(store, path, follow);
    if (!found.has_value()) return tell(found.error());
    return done(ross::capi::give_struct(ross::capi::to_attr(*found), attr));
  });
}

// Copies what fits and returns the whole length, so that a caller can ask for the length first.
std::int64_t give_bytes(const Result<std::string>& value, void* to, std::size_t length) {
  if (!value.has_value()) return tell(value.error());
  if (to != nullptr) std::memcpy(to, value->data(), std::min(length, value->size()));
  return static_cast<std::int64_t>(value->size());
}

}  // namespace

int ross_stat(ross_store* store, const char* path, ross_attr* attr) {
  return stat_path(store, path, attr, Follow::kYes);
}

int ross_lstat(ross_store* store, const char* path, ross_attr* attr) {
  return stat_path(store, path, attr, Follow::kNo);
}

int ross_mkdir(ross_store* store, const char* path, uint32_t mode) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Place> place = new_place(store, path);
    if (!place.has_value()) return tell(place.error());
    const Result<Attr> made = run(store->fs().mkdir(store->cred, place->parent, place->name, mode & 07777));
    return made.has_value() ? 0 : tell(made.error());
  });
}

int ross_rmdir(ross_store* store, const char* path) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Place> place = old_place(store, path, EINVAL);
    if (!place.has_value()) return tell(place.error());
    return done(run(store->fs().rmdir(store->cred, place->parent, place->name)));
  });
}

int ross_unlink(ross_store* store, const char* path) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Place> place = old_place(store, path, EISDIR);
    if (!place.has_value()) return tell(place.error());
    if (place->wants_directory) {  // unlink("file/") is ENOTDIR, unlink("directory/") EISDIR
      const Result<Attr> found = find(store, path, Follow::kYes);
      return tell(Status(found.has_value() ? EISDIR : found.error().error()));
    }
    return done(run(store->fs().unlink(store->cred, place->parent, place->name)));
  });
}

int ross_rename(ross_store* store, const char* from, const char* to, int flags) {
  return guarded([&]() -> int {
    if (store == nullptr || from == nullptr || to == nullptr) return tell(EINVAL, kNullArgument);
    using ross::fs::RenameFlags;
    if (flags < 0 || flags > ROSS_RENAME_EXCHANGE) return tell(EINVAL, "ross_rename knows the flags 0, 1 and 2");
    const RenameFlags how = flags == ROSS_RENAME_NOREPLACE  ? RenameFlags::kNoReplace
                            : flags == ROSS_RENAME_EXCHANGE ? RenameFlags::kExchange
                                                            : RenameFlags::kReplace;
    const Result<Place> source = old_place(store, from, EBUSY);
    if (!source.has_value()) return tell(source.error());
    const Result<Place> target = old_place(store, to, EBUSY);
    if (!target.has_value()) return tell(target.error());
    if (source->wants_directory || target->wants_directory) {  // a trailing '/' demands a directory
      const Result<Attr> moved = run(store->fs().lookup(store->cred, source->parent, source->name));
      if (!moved.has_value()) return tell(moved.error());
      if (!S_ISDIR(moved->mode)) return tell(Status(ENOTDIR));
    }
    return done(run(store->fs().rename(store->cred, source->parent, source->name, target->parent, target->name, how)));
  });
}

int ross_link(ross_store* store, const char* existing, const char* path) {
  return guarded([&]() -> int {
    if (store == nullptr || existing == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Attr> attr = find(store, existing, Follow::kNo);
    if (!attr.has_value()) return tell(attr.error());
    const Result<Place> place = new_place(store, path);
    if (!place.has_value()) return tell(place.error());
    if (place->wants_directory) return tell(Status(ENOENT));
    const Result<Attr> linked = run(store->fs().link(store->cred, attr->node, place->parent, place->name));
    return linked.has_value() ? 0 : tell(linked.error());
  });
}

int ross_symlink(ross_store* store, const char* target, const char* path) {
  return guarded([&]() -> int {
    if (store == nullptr || target == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Place> place = new_place(store, path);
    if (!place.has_value()) return tell(place.error());
    if (place->wants_directory) return tell(Status(ENOENT));
    const Result<Attr> made = run(store->fs().symlink(store->cred, place->parent, place->name, target));
    return made.has_value() ? 0 : tell(made.error());
  });
}

int64_t ross_readlink(ross_store* store, const char* path, char* target, size_t length) {
  return guarded([&]() -> int64_t {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Attr> attr = find(store, path, Follow::kNo);
    if (!attr.has_value()) return tell(attr.error());
    if (!S_ISLNK(attr->mode)) return tell(EINVAL, "the path is not a symbolic link");
    return give_bytes(run(store->fs().readlink(attr->node)), target, length);
  });
}

int ross_truncate(ross_store* store, const char* path, uint64_t size_bytes) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    ross::fs::SetAttr wanted;
    wanted.size_bytes = size_bytes;
    return change(store, path, wanted);
  });
}

int ross_chmod(ross_store* store, const char* path, uint32_t mode) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    ross::fs::SetAttr wanted;
    wanted.mode = mode & 07777;
    return change(store, path, wanted);
  });
}

int ross_chown(ross_store* store, const char* path, uint32_t uid, uint32_t gid) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    ross::fs::SetAttr wanted;
    if (uid != UINT32_MAX) wanted.uid = uid;
    if (gid != UINT32_MAX) wanted.gid = gid;
    return change(store, path, wanted);
  });
}

int ross_set_times(ross_store* store, const char* path, int64_t atime_ns, int64_t mtime_ns) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr) return tell(EINVAL, kNullArgument);
    ross::fs::SetAttr wanted;
    wanted.atime_ns = atime_ns;
    wanted.mtime_ns = mtime_ns;
    return change(store, path, wanted);
  });
}

int64_t ross_getxattr(ross_store* store, const char* path, const char* name, void* value, size_t length) {
  return guarded([&]() -> int64_t {
    if (store == nullptr || path == nullptr || name == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Attr> attr = find(store, path, Follow::kYes);
    if (!attr.has_value()) return tell(attr.error());
    return give_bytes(run(store->fs().getxattr(store->cred, attr->node, name)), value, length);
  });
}

int ross_setxattr(ross_store* store, const char* path, const char* name, const void* value, size_t length, int flags) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr || name == nullptr || (value == nullptr && length != 0)) {
      return tell(EINVAL, kNullArgument);
    }
    using ross::fs::XattrFlags;
    if (flags != 0 && flags != XATTR_CREATE && flags != XATTR_REPLACE) {
      return tell(EINVAL, "ross_setxattr knows the flags 0, XATTR_CREATE and XATTR_REPLACE");
    }
    const XattrFlags how = flags == XATTR_CREATE    ? XattrFlags::kCreate
                           : flags == XATTR_REPLACE ? XattrFlags::kReplace
                                                    : XattrFlags::kSet;
    const Result<Attr> attr = find(store, path, Follow::kYes);
    if (!attr.has_value()) return tell(attr.error());
    const std::string_view bytes(static_cast<const char*>(value), length);
    return done(run(store->fs().setxattr(store->cred, attr->node, name, bytes, how)));
  });
}

int ross_removexattr(ross_store* store, const char* path, const char* name) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr || name == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Attr> attr = find(store, path, Follow::kYes);
    if (!attr.has_value()) return tell(attr.error());
    return done(run(store->fs().removexattr(store->cred, attr->node, name)));
  });
}
