// The dfs_sys_ calls: a path becomes a directory and a name, and the calls of daos_fs.h do the rest.
#include <daos_fs_sys.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <memory>

#include "faces/dfs/directory.h"
#include "faces/dfs/mount.h"
#include "faces/dfs/system.h"
#include "faces/dfs/thread_loop.h"
#include "fs/path.h"

namespace ross::dfs {
namespace {

System* find_system(const dfs_sys_t* system) {
  Library* library = Library::current();
  return library == nullptr ? nullptr : library->systems.find(as_cookie(system));
}

dfs_t* base_of(const dfs_sys_t* handle) {
  const System* system = find_system(handle);
  return system == nullptr ? nullptr : as_pointer<dfs_t*>(system->mount);
}

int adopt(dfs_t* dfs, dfs_sys_t** to) {
  auto system = std::make_unique<System>();
  system->mount = as_cookie(dfs);
  const auto cookie = Library::current()->systems.add(std::move(system));
  if (!cookie) return cookie.error().error();
  *to = as_pointer<dfs_sys_t*>(*cookie);
  return 0;
}

// An object that nothing was opened for: enough for attributes, and as a parent.
Result<dfs_obj_t*> point_at(Mount& mount, const fs::Attr& attr) {
  auto object = std::make_unique<Object>();
  object->node = attr.node;
  object->mode = attr.mode;
  return hand_out(mount, std::move(object));
}

// Where a path leads: a directory and a name in it, or (name null) a node itself when the path ends in "/", "." or "..".
class Where {
 public:
  Where(const dfs_sys_t* system, const char* path) : dfs_(base_of(system)) {
    Mount* mount = find_mount(dfs_);
    error_ = mount == nullptr ? EINVAL : find(*mount, path);
  }
  ~Where() {
    if (object_ != nullptr) static_cast<void>(dfs_release(object_));
  }
  Where(const Where&) = delete;
  Where& operator=(const Where&) = delete;

  [[nodiscard]] int error() const { return error_; }
  // For calls that need a name of their own: what they answer for "/" and the like.
  [[nodiscard]] int error_unless_named(int otherwise) const { return error_ != 0 ? error_ : named_ ? 0 : otherwise; }
  [[nodiscard]] dfs_t* dfs() const { return dfs_; }
  [[nodiscard]] dfs_obj_t* parent() const { return object_; }
  [[nodiscard]] const char* name() const { return named_ ? name_.c_str() : nullptr; }

 private:
  int find(Mount& mount, const char* path) {
    const auto inside = path_of(mount, path);
    if (!inside) return inside.error().error();
    auto place = wait_for(resolve_parent(*mount.fs, mount.cred, fs::kRootNode, *inside));
    if (!place) return place.error().error();
    named_ = !place->special;
    name_ = place->name;
    const auto attr = named_ ? wait_for(mount.fs->getattr(place->parent))
                             : wait_for(resolve(*mount.fs, mount.cred, fs::kRootNode, *inside, fs::Follow::kYes));
    if (!attr) return attr.error().error();
    const auto object = point_at(mount, *attr);
    if (!object) return object.error().error();
    object_ = *object;
    return 0;
  }

  dfs_t* const dfs_;
  dfs_obj_t* object_ = nullptr;
  std::string name_;
  bool named_ = false;
  int error_ = 0;
};

// The node at the end of a path, for calls on attributes.
class Node {
 public:
  Node(const dfs_sys_t* system, const char* path, int flags) : dfs_(base_of(system)) {
    Mount* mount = find_mount(dfs_);
    error_ = mount == nullptr || (flags & ~O_NOFOLLOW) != 0 ? EINVAL : find(*mount, path, flags);
  }
  ~Node() {
    if (object_ != nullptr) static_cast<void>(dfs_release(object_));
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  [[nodiscard]] int error() const { return error_; }
  [[nodiscard]] dfs_t* dfs() const { return dfs_; }
  [[nodiscard]] dfs_obj_t* object() const { return object_; }
  [[nodiscard]] const fs::Attr& attr() const { return attr_; }

 private:
  int find(Mount& mount, const char* path, int flags) {
    const auto inside = path_of(mount, path);
    if (!inside) return inside.error().error();
    const auto follow = (flags & O_NOFOLLOW) != 0 ? fs::Follow::kNo : fs::Follow::kYes;
    const auto attr = wait_for(resolve(*mount.fs, mount.cred, fs::kRootNode, *inside, follow));
    if (!attr) return attr.error().error();
    attr_ = *attr;
    const auto object = point_at(mount, *attr);
    if (!object) return object.error().error();
    object_ = *object;
    return 0;
  }

  dfs_t* const dfs_;
  dfs_obj_t* object_ = nullptr;
  fs::Attr attr_;
  int error_ = 0;
};

// A path call's buffer as a list that lives until its event completes.
struct Buffer {
  d_iov_t iov;
  d_sg_list_t list;
  daos_size_t* size;
  daos_size_t asked;
  bool reads;
};

int end_buffer(void* argument, daos_event_t* /*ev*/, int result) {
  const std::unique_ptr<Buffer> buffer(static_cast<Buffer*>(argument));
  if (!buffer->reads) *buffer->size = result == 0 ? buffer->asked : 0;
  return result;
}

int transfer(const dfs_sys_t* system, dfs_obj_t* obj, void* buf, daos_off_t off, daos_size_t* size, daos_event_t* ev,
             bool reads) {
  dfs_t* dfs = base_of(system);
  if (dfs == nullptr || size == nullptr || buf == nullptr) return EINVAL;
  auto buffer = std::make_unique<Buffer>();
  buffer->size = size;
  buffer->asked = *size;
  buffer->reads = reads;
  d_iov_set(&buffer->iov, buf, *size);
  buffer->list = {.sg_nr = 1, .sg_nr_out = 0, .sg_iovs = &buffer->iov};
  const auto call = [&] {
    return reads ? dfs_read(dfs, obj, &buffer->list, off, size, ev) : dfs_write(dfs, obj, &buffer->list, off, ev);
  };
  if (ev == nullptr) {
    const int error = call();
    if (error != 0) *size = 0;
    return error;
  }
  if (daos_event_register_comp_cb(ev, end_buffer, buffer.get()) != 0) return EINVAL;
  const int error = call();
  if (error == 0) {
    static_cast<void>(buffer.release());  // end_buffer has it
  } else {
    --words_of(*ev).callbacks;
  }
  return error;
}

int mount_system(int error, dfs_t* dfs, dfs_sys_t** to, int (*undo)(dfs_t*)) {
  if (error != 0) return error;
  error = adopt(dfs, to);
  if (error != 0) static_cast<void>(undo(dfs));
  return error;
}

int unmount_system(dfs_sys_t* handle) {
  Library* library = Library::current();
  const auto system = library == nullptr ? nullptr : library->systems.remove(as_cookie(handle));
  if (system == nullptr) return EINVAL;
  return errno_told(close_mount(*library, system->mount), "cannot unmount");
}

}  // namespace

void close_system(Library& library, std::uint64_t cookie) {
  if (const auto system = library.systems.remove(cookie); system != nullptr) {
    static_cast<void>(errno_told(close_mount(library, system->mount), "closing a mount"));
  }
}

}  // namespace ross::dfs

using ross::dfs::as_cookie;
using ross::dfs::as_pointer;
using ross::dfs::base_of;
using ross::dfs::find_mount;
using ross::dfs::find_system;
using ross::dfs::Library;
using ross::dfs::Listing;
using ross::dfs::mount_system;
using ross::dfs::Node;
using ross::dfs::wait_for;
using ross::dfs::Where;

extern "C" {

int dfs_sys_connect(const char* pool, const char* sys, const char* cont, int mflags, int /*sflags*/, dfs_attr_t* attr,
                    dfs_sys_t** dfs_sys) {
  if (dfs_sys == nullptr) return EINVAL;
  dfs_t* dfs = nullptr;
  const int error = dfs_connect(pool, sys, cont, mflags, attr, &dfs);
  return mount_system(error, dfs, dfs_sys, dfs_disconnect);
}
int dfs_sys_disconnect(dfs_sys_t* dfs_sys) { return ross::dfs::unmount_system(dfs_sys); }

int dfs_sys_mount(daos_handle_t poh, daos_handle_t coh, int mflags, int /*sflags*/, dfs_sys_t** dfs_sys) {
  if (dfs_sys == nullptr) return EINVAL;
  dfs_t* dfs = nullptr;
  const int error = dfs_mount(poh, coh, mflags, &dfs);
  return mount_system(error, dfs, dfs_sys, dfs_umount);
}
int dfs_sys_umount(dfs_sys_t* dfs_sys) { return ross::dfs::unmount_system(dfs_sys); }

int dfs_sys_local2global_all(dfs_sys_t* dfs_sys, d_iov_t* glob) { return dfs_local2global_all(base_of(dfs_sys), glob); }
int dfs_sys_global2local_all(int mflags, int /*sflags*/, d_iov_t glob, dfs_sys_t** dfs_sys) {
  if (dfs_sys == nullptr) return EINVAL;
  dfs_t* dfs = nullptr;
  const int error = dfs_global2local_all(mflags, glob, &dfs);
  return mount_system(error, dfs, dfs_sys, dfs_disconnect);
}
int dfs_sys_local2global(dfs_sys_t* dfs_sys, d_iov_t* glob) { return dfs_local2global(base_of(dfs_sys), glob); }
int dfs_sys_global2local(daos_handle_t poh, daos_handle_t coh, int mflags, int /*sflags*/, d_iov_t glob,
                         dfs_sys_t** dfs_sys) {
  if (dfs_sys == nullptr) return EINVAL;
  dfs_t* dfs = nullptr;
  const int error = dfs_global2local(poh, coh, mflags, glob, &dfs);
  return mount_system(error, dfs, dfs_sys, dfs_umount);
}

int dfs_sys2base(dfs_sys_t* dfs_sys, dfs_t** dfs) {
  dfs_t* base = base_of(dfs_sys);
  if (base == nullptr || dfs == nullptr) return EINVAL;
  *dfs = base;
  return 0;
}

int dfs_sys_access(dfs_sys_t* dfs_sys, const char* path, int mask, int flags) {
  const Node node(dfs_sys, path, flags);
  if (node.error() != 0) return node.error();
  // A link that is not followed may be accessed by whoever found it.
  return S_ISLNK(node.attr().mode) ? 0 : dfs_access(node.dfs(), node.object(), nullptr, mask);
}

int dfs_sys_chmod(dfs_sys_t* dfs_sys, const char* path, mode_t mode) {
  const Node node(dfs_sys, path, 0);
  return node.error() != 0 ? node.error() : dfs_chmod(node.dfs(), node.object(), nullptr, mode);
}

int dfs_sys_chown(dfs_sys_t* dfs_sys, const char* path, uid_t uid, gid_t gid, int flags) {
  const Node node(dfs_sys, path, flags);
  return node.error() != 0 ? node.error() : dfs_chown(node.dfs(), node.object(), nullptr, uid, gid, flags);
}

int dfs_sys_setattr(dfs_sys_t* dfs_sys, const char* path, struct stat* stbuf, int flags, int sflags) {
  const Node node(dfs_sys, path, sflags);
  return node.error() != 0 ? node.error() : dfs_osetattr(node.dfs(), node.object(), stbuf, flags);
}

int dfs_sys_utimens(dfs_sys_t* dfs_sys, const char* path, const struct timespec times[2], int flags) {
  const Node node(dfs_sys, path, flags);
  if (node.error() != 0) return node.error();
  const ross::dfs::Mount* mount = find_mount(node.dfs());
  if (!mount->writable) return EPERM;
  ross::fs::SetAttr change;
  const auto set = [](const timespec* time, std::optional<std::int64_t>& to, bool& now) {
    if (time == nullptr || time->tv_nsec == UTIME_NOW) {
      now = true;
    } else if (time->tv_nsec != UTIME_OMIT) {
      if (time->tv_nsec < 0 || time->tv_nsec >= 1'000'000'000) return false;
      to = time->tv_sec * 1'000'000'000 + time->tv_nsec;
    }
    return true;
  };
  if (!set(times == nullptr ? nullptr : &times[0], change.atime_ns, change.atime_now) ||
      !set(times == nullptr ? nullptr : &times[1], change.mtime_ns, change.mtime_now)) {
    return EINVAL;
  }
  const auto attr = wait_for(mount->fs->setattr(mount->cred, node.attr().node, change));
  return attr ? 0 : attr.error().error();
}

int dfs_sys_stat(dfs_sys_t* dfs_sys, const char* path, int flags, struct stat* stbuf) {
  const Node node(dfs_sys, path, flags);
  return node.error() != 0 ? node.error() : dfs_ostat(node.dfs(), node.object(), stbuf);
}

int dfs_sys_mknod(dfs_sys_t* dfs_sys, const char* path, mode_t mode, daos_oclass_id_t cid, daos_size_t chunk_size) {
  const Where where(dfs_sys, path);
  if (const int error = where.error_unless_named(EEXIST); error != 0) return error;
  const mode_t type = (mode & S_IFMT) == 0 ? S_IFREG : mode & S_IFMT;
  if (type != S_IFREG && type != S_IFDIR) return ENOTSUP;
  dfs_obj_t* made = nullptr;
  const int error = dfs_open(where.dfs(), where.parent(), where.name(), (mode & 07777) | type,
                             O_CREAT | O_EXCL | O_RDWR, cid, chunk_size, nullptr, &made);
  return error != 0 ? error : dfs_release(made);
}

int dfs_sys_listxattr(dfs_sys_t* dfs_sys, const char* path, char* list, daos_size_t* size, int flags) {
  const Node node(dfs_sys, path, flags);
  return node.error() != 0 ? node.error() : dfs_listxattr(node.dfs(), node.object(), list, size);
}
int dfs_sys_getxattr(dfs_sys_t* dfs_sys, const char* path, const char* name, void* value, daos_size_t* size,
                     int flags) {
  const Node node(dfs_sys, path, flags);
  return node.error() != 0 ? node.error() : dfs_getxattr(node.dfs(), node.object(), name, value, size);
}
int dfs_sys_setxattr(dfs_sys_t* dfs_sys, const char* path, const char* name, const void* value, daos_size_t size,
                     int flags, int sflags) {
  const Node node(dfs_sys, path, sflags);
  return node.error() != 0 ? node.error() : dfs_setxattr(node.dfs(), node.object(), name, value, size, flags);
}
int dfs_sys_removexattr(dfs_sys_t* dfs_sys, const char* path, const char* name, int flags) {
  const Node node(dfs_sys, path, flags);
  return node.error() != 0 ? node.error() : dfs_removexattr(node.dfs(), node.object(), name);
}

int dfs_sys_readlink(dfs_sys_t* dfs_sys, const char* path, char* buf, daos_size_t* size) {
  dfs_obj_t* link = nullptr;
  if (const int error = dfs_lookup(base_of(dfs_sys), path, O_RDONLY | O_NOFOLLOW, &link, nullptr, nullptr);
      error != 0) {
    return error;
  }
  const int error = dfs_get_symlink_value(link, buf, size);
  static_cast<void>(dfs_release(link));
  return error;
}

int dfs_sys_symlink(dfs_sys_t* dfs_sys, const char* target, const char* path) {
  const Where where(dfs_sys, path);
  if (const int error = where.error_unless_named(EEXIST); error != 0) return error;
  dfs_obj_t* made = nullptr;
  const int error = dfs_open(where.dfs(), where.parent(), where.name(), S_IFLNK | 0777, O_CREAT | O_EXCL | O_RDWR, 0, 0,
                             target, &made);
  return error != 0 ? error : dfs_release(made);
}

int dfs_sys_open(dfs_sys_t* dfs_sys, const char* path, mode_t mode, int flags, daos_oclass_id_t cid,
                 daos_size_t chunk_size, const char* value, dfs_obj_t** obj) {
  const Where where(dfs_sys, path);
  if (where.error() != 0) return where.error();
  if (where.name() == nullptr) {  // "/" and the like: a directory that is there
    if ((flags & O_CREAT) != 0) return EEXIST;
    return S_ISDIR(mode) ? dfs_lookup_rel(where.dfs(), where.parent(), nullptr, flags, obj, nullptr, nullptr) : EISDIR;
  }
  return dfs_open(where.dfs(), where.parent(), where.name(), mode, flags, cid, chunk_size, value, obj);
}
int dfs_sys_close(dfs_obj_t* obj) { return dfs_release(obj); }

int dfs_sys_read(dfs_sys_t* dfs_sys, dfs_obj_t* obj, void* buf, daos_off_t off, daos_size_t* size, daos_event_t* ev) {
  return ross::dfs::transfer(dfs_sys, obj, buf, off, size, ev, true);
}
int dfs_sys_write(dfs_sys_t* dfs_sys, dfs_obj_t* obj, const void* buf, daos_off_t off, daos_size_t* size,
                  daos_event_t* ev) {
  return ross::dfs::transfer(dfs_sys, obj, const_cast<void*>(buf), off, size, ev, false);
}

int dfs_sys_punch(dfs_sys_t* dfs_sys, const char* path, daos_off_t offset, daos_off_t len) {
  dfs_obj_t* file = nullptr;
  if (const int error = dfs_lookup(base_of(dfs_sys), path, O_RDWR, &file, nullptr, nullptr); error != 0) return error;
  const int error = dfs_punch(base_of(dfs_sys), file, offset, len);
  static_cast<void>(dfs_release(file));
  return error;
}

int dfs_sys_remove(dfs_sys_t* dfs_sys, const char* path, bool force, daos_obj_id_t* oid) {
  return dfs_sys_remove_type(dfs_sys, path, force, 0, oid);
}

int dfs_sys_remove_type(dfs_sys_t* dfs_sys, const char* path, bool force, mode_t mode, daos_obj_id_t* oid) {
  const Where where(dfs_sys, path);
  if (const int error = where.error_unless_named(EBUSY); error != 0) return error;
  if (mode != 0) {
    struct stat found {};
    if (const int error = dfs_stat(where.dfs(), where.parent(), where.name(), &found); error != 0) return error;
    if ((found.st_mode & S_IFMT) != (mode & S_IFMT)) return S_ISDIR(mode) ? ENOTDIR : EINVAL;
  }
  return dfs_remove(where.dfs(), where.parent(), where.name(), force, oid);
}

int dfs_sys_mkdir(dfs_sys_t* dfs_sys, const char* dir, mode_t mode, daos_oclass_id_t cid) {
  const Where where(dfs_sys, dir);
  if (const int error = where.error_unless_named(EEXIST); error != 0) return error;
  return dfs_mkdir(where.dfs(), where.parent(), where.name(), mode, cid);
}

int dfs_sys_opendir(dfs_sys_t* dfs_sys, const char* dir, int flags, DIR** dirp) {
  const Node node(dfs_sys, dir, flags);
  if (node.error() != 0) return node.error();
  if (dirp == nullptr) return EINVAL;
  if (!S_ISDIR(node.attr().mode)) return ENOTDIR;
  auto listing = std::make_unique<Listing>();
  listing->mount = as_cookie(node.dfs());
  listing->directory = node.attr().node;
  const auto cookie = Library::current()->listings.add(std::move(listing));
  if (!cookie) return cookie.error().error();
  *dirp = as_pointer<DIR*>(*cookie);
  return 0;
}

int dfs_sys_closedir(DIR* dirp) {
  Library* library = Library::current();
  return library != nullptr && library->listings.remove(as_cookie(dirp)) != nullptr ? 0 : EINVAL;
}

int dfs_sys_readdir(dfs_sys_t* dfs_sys, DIR* dirp, struct dirent** dirent) {
  constexpr std::size_t kBatch = 256;
  if (find_system(dfs_sys) == nullptr || dirent == nullptr) return EINVAL;
  Listing* listing = Library::current()->listings.find(as_cookie(dirp));
  if (listing == nullptr) return EINVAL;
  const ross::dfs::Mount* mount = Library::current()->mounts.find(listing->mount);
  if (mount == nullptr) return EINVAL;
  *dirent = nullptr;
  if (listing->next == listing->batch.size()) {
    auto entries = ross::dfs::next_entries(*mount, listing->directory, listing->cursor, kBatch, false);
    if (!entries) return entries.error().error();
    listing->batch = *std::move(entries);
    listing->next = 0;
    if (listing->batch.empty()) return 0;
  }
  const ross::fs::DirEntry& entry = listing->batch[listing->next++];
  listing->cursor = entry.cursor;
  ross::dfs::fill_dirent(entry, listing->entry);
  *dirent = &listing->entry;
  return 0;
}

}  // extern "C"
