#include "faces/dfs/mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "faces/dfs/thread_loop.h"
#include "fs/path.h"

namespace ross::dfs {
namespace {

constexpr int kGroupsMax = 65536;  // what Linux allows a process

fs::Credential process_credential() {
  fs::Credential cred{.uid = geteuid(), .gid = getegid(), .groups = {}};
  const int count = getgroups(0, nullptr);
  if (count > 0 && count <= kGroupsMax) {
    cred.groups.resize(static_cast<std::size_t>(count));
    const int got = getgroups(count, cred.groups.data());
    cred.groups.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  }
  return cred;
}

void link_in(Mount& mount, Object& object) {
  const std::lock_guard lock(mount.mutex);
  object.next = mount.first_object;
  if (object.next != nullptr) object.next->previous = &object;
  mount.first_object = &object;
}

void link_out(Mount& mount, Object& object) {
  const std::lock_guard lock(mount.mutex);
  (object.previous != nullptr ? object.previous->next : mount.first_object) = object.next;
  if (object.next != nullptr) object.next->previous = object.previous;
}

timespec time_of(std::int64_t ns) {
  std::int64_t seconds = ns / 1'000'000'000;
  std::int64_t rest = ns % 1'000'000'000;
  if (rest < 0) {
    --seconds;
    rest += 1'000'000'000;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

}  // namespace

Mount* find_mount(const dfs_t* dfs) {
  Library* library = Library::current();
  return library == nullptr ? nullptr : library->mounts.find(as_cookie(dfs));
}

Object* find_object(const dfs_obj_t* obj) {
  Library* library = Library::current();
  return library == nullptr ? nullptr : library->objects.find(as_cookie(obj));
}

Object* find_object(const Mount& mount, const dfs_obj_t* obj) {
  Object* object = find_object(obj);
  return object != nullptr && object->mount == &mount ? object : nullptr;
}

Result<fs::NodeId> directory_of(const Mount& mount, const dfs_obj_t* parent) {
  if (parent == nullptr) return fs::kRootNode;
  const Object* object = find_object(mount, parent);
  if (object == nullptr) return fail(EINVAL);
  if (!S_ISDIR(object->mode)) return fail(ENOTDIR);
  return object->node;
}

bool is_name(const char* name) { return name != nullptr && *name != '\0' && std::strchr(name, '/') == nullptr; }

Result<fs::Attr> attr_of(const Mount& mount, const dfs_obj_t* parent, const char* name, bool follow) {
  if (name == nullptr || std::strcmp(name, "/") == 0) {
    if (parent == nullptr) return wait_for(mount.fs->getattr(fs::kRootNode));
    const Object* object = find_object(mount, parent);
    if (object == nullptr) return fail(EINVAL);
    return wait_for(mount.fs->getattr(object->node));
  }
  if (!is_name(name)) return fail(EINVAL);
  ROSS_TRY(const fs::NodeId directory, directory_of(mount, parent));
  if (!follow) return wait_for(mount.fs->lookup(mount.cred, directory, name));
  return wait_for(fs::resolve(*mount.fs, mount.cred, directory, name, fs::Follow::kYes));
}

Result<std::string> path_of(Mount& mount, const char* path) {
  if (path == nullptr || *path != '/') return fail(EINVAL);
  if (strnlen(path, fs::kPathBytesMax + 1) > fs::kPathBytesMax) return fail(ENAMETOOLONG);
  std::string_view rest(path);
  const std::lock_guard lock(mount.mutex);
  if (!mount.prefix.empty()) {
    if (!rest.starts_with(mount.prefix)) return fail(EINVAL);
    rest.remove_prefix(mount.prefix.size());
    if (!rest.empty() && rest.front() != '/') return fail(EINVAL);
  }
  return rest.empty() ? std::string("/") : std::string(rest);
}

Result<dfs_obj_t*> hand_out(Mount& mount, std::unique_ptr<Object> object) {
  Library* library = Library::current();
  if (library == nullptr) return fail(EINVAL);
  Object& made = *object;
  made.mount = &mount;
  const std::optional<fs::FileId> file = made.file;
  auto cookie = library->objects.add(std::move(object));
  if (!cookie) {
    if (file) static_cast<void>(wait_for(mount.fs->close(*file)));
    return fail(std::move(cookie).error());
  }
  made.cookie = *cookie;
  link_in(mount, made);
  return as_pointer<dfs_obj_t*>(*cookie);
}

Result<dfs_obj_t*> open_node(Mount& mount, const fs::Attr& attr, int flags) {
  auto object = std::make_unique<Object>();
  object->node = attr.node;
  object->mode = attr.mode;
  object->flags = flags;
  if (S_ISREG(attr.mode)) {
    fs::OpenFlags how = fs::OpenFlags::from_posix(flags);
    how.exclusive = false;
    if ((how.write || how.truncate) && !mount.writable) return fail(EPERM);
    ROSS_TRY(const fs::Opened opened, wait_for(mount.fs->open(mount.cred, attr.node, how)));
    object->file = opened.file;
  } else if (S_ISLNK(attr.mode)) {
    ROSS_TRY(object->target, wait_for(mount.fs->readlink(attr.node)));
  }
  return hand_out(mount, std::move(object));
}

Status close_object(Library& library, Object& object) {
  if (object.running.load() > 0) return Status(EBUSY);
  Mount& mount = *object.mount;
  const std::unique_ptr<Object> last = library.objects.remove(object.cookie);
  if (last == nullptr) return Status(EINVAL);
  link_out(mount, *last);
  return last->file ? wait_for(mount.fs->close(*last->file)) : Status();
}

Result<std::uint64_t> make_mount(Library& library, std::uint64_t pool, std::uint64_t container_cookie, int flags) {
  Container* container = library.containers.find(container_cookie);
  if (library.pools.find(pool) == nullptr || container == nullptr) return fail(EINVAL);
  const int access = flags & O_ACCMODE;
  if (access != O_RDONLY && access != O_RDWR) return fail(EINVAL, "a mount is O_RDONLY or O_RDWR");
  if (access == O_RDWR && !container->writable) return fail(EPERM, "the container is open for reading only");
  auto mount = std::make_unique<Mount>();
  mount->pool = pool;
  mount->container = container_cookie;
  mount->writable = access == O_RDWR;
  mount->pool_name = container->pool_name;
  mount->container_name = container->name;
  mount->container_uuid = container->uuid;
  mount->fs = &container->file_system();
  mount->cred = process_credential();
  mount->defaults = load_hints(*mount->fs, fs::kRootNode);
  Mount& made = *mount;
  ROSS_TRY(const std::uint64_t cookie, library.mounts.add(std::move(mount)));
  made.cookie = cookie;
  container->mounts.fetch_add(1);
  return cookie;
}

Status close_mount(Library& library, std::uint64_t cookie) {
  Mount* mount = library.mounts.find(cookie);
  if (mount == nullptr) return Status(EINVAL);
  {
    const std::lock_guard lock(mount->mutex);
    for (const Object* object = mount->first_object; object != nullptr; object = object->next) {
      if (object->running.load() > 0) return Status(EBUSY, "reads or writes are under way: poll their events first");
    }
  }
  Status status;
  const auto keep_first = [&status](Status next) {
    if (status.ok()) status = std::move(next);
  };
  for (;;) {
    Object* object;
    {
      const std::lock_guard lock(mount->mutex);
      object = mount->first_object;
    }
    if (object == nullptr) break;
    keep_first(close_object(library, *object));
  }
  if (mount->writable) keep_first(wait_for(mount->fs->sync()));
  const std::unique_ptr<Mount> last = library.mounts.remove(cookie);
  if (last == nullptr) return Status(EINVAL);
  if (Container* container = library.containers.find(last->container)) container->mounts.fetch_sub(1);
  if (last->owns_handles) {
    keep_first(close_container(library, last->container));
    keep_first(close_pool(library, last->pool));
  }
  return status;
}

void fill_stat(const Mount& mount, const fs::Attr& attr, struct stat& to) {
  constexpr std::uint64_t kStatBlockBytes = 512;
  to = {};
  to.st_ino = attr.node.value;
  to.st_mode = attr.mode;
  to.st_nlink = attr.links;
  to.st_uid = attr.uid;
  to.st_gid = attr.gid;
  to.st_rdev = attr.rdev;
  to.st_size = static_cast<off_t>(attr.size_bytes);
  to.st_blocks = static_cast<blkcnt_t>((attr.allocated_bytes + kStatBlockBytes - 1) / kStatBlockBytes);
  to.st_blksize = static_cast<blksize_t>(mount.defaults.chunk_bytes != 0 ? mount.defaults.chunk_bytes
                                                                         : std::uint64_t{DFS_DEFAULT_CHUNK_SIZE});
  to.st_atim = time_of(attr.atime_ns);
  to.st_mtim = time_of(attr.mtime_ns);
  to.st_ctim = time_of(attr.ctime_ns);
}

// An identifier whose upper half says what programs may read from it: a byte array or a directory, of class S1.
daos_obj_id_t object_id(fs::NodeId node, mode_t mode) {
  const std::uint64_t type = S_ISREG(mode) ? DAOS_OT_ARRAY_BYTE : DAOS_OT_MULTI_HASHED;
  return {.lo = node.value,
          .hi = type << OID_FMT_TYPE_SHIFT | std::uint64_t{OR_RP_1} << OID_FMT_CLASS_SHIFT |
                std::uint64_t{1} << OID_FMT_META_SHIFT};
}

Hints hints_of(Object& object) {
  Mount& mount = *object.mount;
  if (object.node == fs::kRootNode) return mount.defaults;
  {
    const std::lock_guard lock(mount.mutex);
    if (object.hints) return *object.hints;
  }
  Hints hints = load_hints(*mount.fs, object.node);
  const std::lock_guard lock(mount.mutex);
  if (!object.hints) object.hints = std::move(hints);
  return *object.hints;
}

Hints hints_for_new(const Mount& mount, const dfs_obj_t* parent, daos_oclass_id_t cid, daos_size_t chunk_size,
                    mode_t type) {
  Object* directory = parent == nullptr ? nullptr : find_object(mount, parent);
  // The container's defaults stay with the container; a directory's own are handed down.
  const Hints from = directory == nullptr || directory->node == fs::kRootNode ? Hints{} : hints_of(*directory);
  Hints hints;
  hints.chunk_bytes = chunk_size != 0 ? chunk_size : from.chunk_bytes;
  const daos_oclass_id_t inherited = S_ISDIR(type) ? from.dir_oclass : from.file_oclass;
  hints.oclass = cid != 0 ? cid : inherited != 0 ? inherited : from.oclass;
  if (S_ISDIR(type)) {
    hints.dir_oclass = from.dir_oclass;
    hints.file_oclass = from.file_oclass;
  }
  return hints;
}

}  // namespace ross::dfs
