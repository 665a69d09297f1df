// Connecting, mounting, making and removing containers as file systems.
#include <daos.h>
#include <daos_fs.h>
#include <fmt/format.h>

#include <cstring>

#include "faces/dfs/container.h"
#include "faces/dfs/errors.h"
#include "faces/dfs/global_handle.h"
#include "faces/dfs/mount.h"
#include "faces/dfs/thread_loop.h"

namespace {

using ross::Result;
using ross::Status;
using ross::dfs::as_cookie;
using ross::dfs::as_pointer;
using ross::dfs::Container;
using ross::dfs::errno_from_der;
using ross::dfs::errno_told;
using ross::dfs::find_mount;
using ross::dfs::Hints;
using ross::dfs::Library;
using ross::dfs::Mount;

unsigned pool_flags(int flags) { return (flags & O_ACCMODE) == O_RDONLY ? DAOS_PC_RO : DAOS_PC_RW; }
unsigned container_flags(int flags) { return (flags & O_ACCMODE) == O_RDONLY ? DAOS_COO_RO : DAOS_COO_RW; }

Result<Hints> hints_from(const dfs_attr_t& attr) {
  Hints hints;
  hints.chunk_bytes = attr.da_chunk_size;
  hints.oclass = attr.da_oclass_id;
  hints.dir_oclass = attr.da_dir_oclass_id;
  hints.file_oclass = attr.da_file_oclass_id;
  hints.mode = attr.da_mode;
  hints.text.assign(attr.da_hints, strnlen(attr.da_hints, sizeof attr.da_hints));
  if (hints.text.size() == sizeof attr.da_hints) return ross::fail(EINVAL, "da_hints has no end");
  ROSS_TRY(const daos_oclass_id_t directories, ross::dfs::class_from_text(hints.text, true));
  ROSS_TRY(const daos_oclass_id_t files, ross::dfs::class_from_text(hints.text, false));
  if (hints.dir_oclass == 0) hints.dir_oclass = directories;
  if (hints.file_oclass == 0) hints.file_oclass = files;
  return hints;
}

int mount(std::uint64_t pool, std::uint64_t container, int flags, dfs_t** dfs) {
  Library* library = Library::current();
  if (library == nullptr || dfs == nullptr) return EINVAL;
  const auto cookie = ross::dfs::make_mount(*library, pool, container, flags & ~DFS_BALANCED);
  if (!cookie) return errno_told(cookie.error(), "cannot mount");
  *dfs = as_pointer<dfs_t*>(*cookie);
  return 0;
}

// Makes the container and writes its defaults down; then opens and mounts it as far as asked for.
int create(daos_handle_t poh, const char* label, const dfs_attr_t* attr, uuid_t* uuid, daos_handle_t* coh,
           dfs_t** dfs) {
  if (dfs != nullptr && coh == nullptr) return EINVAL;
  Hints hints;
  if (attr != nullptr) {
    auto given = hints_from(*attr);
    if (!given) return errno_told(given.error(), "cannot create a container");
    hints = *std::move(given);
  }
  daos_prop_t* const props = attr == nullptr ? nullptr : attr->da_props;
  uuid_t made;
  int rc = label == nullptr ? daos_cont_create(poh, &made, props, nullptr)
                            : daos_cont_create_with_label(poh, label, props, &made, nullptr);
  if (rc != 0) return errno_from_der(rc);
  if (uuid != nullptr) std::memcpy(*uuid, made, sizeof made);
  if (coh == nullptr && hints.empty()) return 0;

  char text[DAOS_UUID_STR_SIZE];
  uuid_unparse_lower(made, text);
  daos_handle_t opened;
  rc = daos_cont_open(poh, label == nullptr ? text : label, DAOS_COO_RW, &opened, nullptr, nullptr);
  if (rc != 0) return errno_from_der(rc);
  Status status;
  if (!hints.empty()) {
    ross::fs::FileSystem& fs = Library::current()->containers.find(opened.cookie)->file_system();
    status = ross::dfs::store_hints(fs, ross::fs::kRootNode, hints);
  }
  int error = errno_told(status, "cannot write the container's defaults");
  if (error == 0 && dfs != nullptr) error = mount(poh.cookie, opened.cookie, O_RDWR, dfs);
  if (error != 0 || coh == nullptr) {
    const int closed = errno_from_der(daos_cont_close(opened, nullptr));
    return error != 0 ? error : closed;
  }
  *coh = opened;
  return 0;
}

int open_or_create(daos_handle_t poh, const char* cont, int flags, dfs_attr_t* attr, daos_handle_t* coh) {
  if ((flags & O_CREAT) != 0) {
    const int error = create(poh, cont, attr, nullptr, nullptr, nullptr);
    if (error != 0 && (error != EEXIST || (flags & O_EXCL) != 0)) return error;
  }
  return errno_from_der(daos_cont_open(poh, cont, container_flags(flags), coh, nullptr, nullptr));
}

int connect(const char* pool, const char* sys, const char* cont, int flags, dfs_attr_t* attr, dfs_t** dfs) {
  if (pool == nullptr || cont == nullptr || dfs == nullptr) return EINVAL;
  daos_handle_t poh;
  daos_handle_t coh;
  if (const int rc = daos_pool_connect(pool, sys, pool_flags(flags), &poh, nullptr, nullptr); rc != 0) {
    return errno_from_der(rc);
  }
  int error = open_or_create(poh, cont, flags, attr, &coh);
  if (error == 0) {
    error = mount(poh.cookie, coh.cookie, flags & O_ACCMODE, dfs);
    if (error == 0) {
      find_mount(*dfs)->owns_handles = true;
      return 0;
    }
    static_cast<void>(daos_cont_close(coh, nullptr));
  }
  static_cast<void>(daos_pool_disconnect(poh, nullptr));
  return error;
}

int destroy(const char* pool, const char* sys, const char* cont, int force) {
  if (pool == nullptr || cont == nullptr) return EINVAL;
  daos_handle_t poh;
  int rc = daos_pool_connect(pool, sys, DAOS_PC_RW, &poh, nullptr, nullptr);
  if (rc != 0) return errno_from_der(rc);
  rc = daos_cont_destroy(poh, cont, force, nullptr);
  const int closed = daos_pool_disconnect(poh, nullptr);
  return errno_from_der(rc != 0 ? rc : closed);
}

int unmount(dfs_t* dfs, bool connected) {
  Library* library = Library::current();
  const Mount* found = find_mount(dfs);
  if (library == nullptr || found == nullptr || found->owns_handles != connected) return EINVAL;
  return errno_told(ross::dfs::close_mount(*library, as_cookie(dfs)), "cannot unmount");
}

}  // namespace

extern "C" {

int dfs_init(void) { return errno_from_der(daos_init()); }
int dfs_fini(void) { return errno_from_der(daos_fini()); }

int dfs_connect(const char* pool, const char* sys, const char* cont, int flags, dfs_attr_t* attr, dfs_t** dfs) {
  return connect(pool, sys, cont, flags, attr, dfs);
}
int dfs_disconnect(dfs_t* dfs) { return unmount(dfs, true); }

int dfs_destroy(const char* pool, const char* sys, const char* cont, int force, daos_event_t* ev) {
  return ross::dfs::finish(ev, destroy(pool, sys, cont, force));
}

int dfs_cont_create(daos_handle_t poh, uuid_t* uuid, dfs_attr_t* attr, daos_handle_t* coh, dfs_t** dfs) {
  return create(poh, nullptr, attr, uuid, coh, dfs);
}

int dfs_cont_create_with_label(daos_handle_t poh, const char* label, dfs_attr_t* attr, uuid_t* uuid, daos_handle_t* coh,
                               dfs_t** dfs) {
  if (label == nullptr) return EINVAL;
  return create(poh, label, attr, uuid, coh, dfs);
}

int dfs_mount(daos_handle_t poh, daos_handle_t coh, int flags, dfs_t** dfs) {
  return mount(poh.cookie, coh.cookie, flags, dfs);
}
int dfs_umount(dfs_t* dfs) { return unmount(dfs, false); }

int dfs_pool_get(dfs_t* dfs, daos_handle_t* poh) {
  const Mount* found = find_mount(dfs);
  if (found == nullptr || poh == nullptr) return EINVAL;
  poh->cookie = found->pool;
  return 0;
}
int dfs_pool_put(dfs_t* dfs, daos_handle_t poh) {
  const Mount* found = find_mount(dfs);
  return found != nullptr && found->pool == poh.cookie ? 0 : EINVAL;
}
int dfs_cont_get(dfs_t* dfs, daos_handle_t* coh) {
  const Mount* found = find_mount(dfs);
  if (found == nullptr || coh == nullptr) return EINVAL;
  coh->cookie = found->container;
  return 0;
}
int dfs_cont_put(dfs_t* dfs, daos_handle_t coh) {
  const Mount* found = find_mount(dfs);
  return found != nullptr && found->container == coh.cookie ? 0 : EINVAL;
}

int dfs_query(dfs_t* dfs, dfs_attr_t* attr) {
  const Mount* found = find_mount(dfs);
  if (found == nullptr || attr == nullptr) return EINVAL;
  const Hints& hints = found->defaults;
  attr->da_id = 0;
  attr->da_chunk_size = hints.chunk_bytes != 0 ? hints.chunk_bytes : DFS_DEFAULT_CHUNK_SIZE;
  attr->da_oclass_id = hints.oclass;
  attr->da_dir_oclass_id = hints.dir_oclass != 0 ? hints.dir_oclass : hints.oclass;
  attr->da_file_oclass_id = hints.file_oclass != 0 ? hints.file_oclass : hints.oclass;
  attr->da_mode = hints.mode;
  std::memset(attr->da_hints, 0, sizeof attr->da_hints);
  hints.text.copy(attr->da_hints, sizeof attr->da_hints - 1);
  return 0;
}

int dfs_set_prefix(dfs_t* dfs, const char* prefix) {
  Mount* found = find_mount(dfs);
  if (found == nullptr) return EINVAL;
  std::string text = prefix == nullptr ? "" : prefix;
  if (!text.empty() && (text.front() != '/' || text.size() >= DFS_MAX_PATH)) return EINVAL;
  while (!text.empty() && text.back() == '/') text.pop_back();
  const std::lock_guard lock(found->mutex);
  found->prefix = std::move(text);
  return 0;
}

int dfs_sync(dfs_t* dfs) {
  const Mount* found = find_mount(dfs);
  if (found == nullptr) return EINVAL;
  if (!found->writable) return EPERM;
  return errno_told(ross::dfs::wait_for(found->fs->sync()), "cannot sync");
}

int dfs_local2global(dfs_t* dfs, d_iov_t* glob) {
  const Mount* found = find_mount(dfs);
  if (found == nullptr || glob == nullptr) return EINVAL;
  ross::dfs::GlobalWriter writer(ross::dfs::GlobalKind::kMount);
  writer.add(found->container_name);
  return writer.store(glob).error();
}

int dfs_global2local(daos_handle_t poh, daos_handle_t coh, int flags, d_iov_t glob, dfs_t** dfs) {
  auto reader = ross::dfs::GlobalReader::open(glob, ross::dfs::GlobalKind::kMount);
  if (!reader) return reader.error().error();
  const auto name = reader->text();
  const Library* library = Library::current();
  const Container* container = library == nullptr ? nullptr : library->containers.find(coh.cookie);
  if (!name || container == nullptr || container->name != *name) return EINVAL;
  return mount(poh.cookie, coh.cookie, flags == 0 && container->writable ? O_RDWR : flags, dfs);
}

int dfs_local2global_all(dfs_t* dfs, d_iov_t* glob) {
  const Mount* found = find_mount(dfs);
  if (found == nullptr || glob == nullptr) return EINVAL;
  ross::dfs::GlobalWriter writer(ross::dfs::GlobalKind::kMountAll);
  writer.add(found->pool_name);
  writer.add(found->container_name);
  return writer.store(glob).error();
}

int dfs_global2local_all(int flags, d_iov_t glob, dfs_t** dfs) {
  auto reader = ross::dfs::GlobalReader::open(glob, ross::dfs::GlobalKind::kMountAll);
  if (!reader) return reader.error().error();
  const auto pool = reader->text();
  const auto container = reader->text();
  if (!pool || !container) return EINVAL;
  return connect(pool->c_str(), nullptr, container->c_str(), flags & O_ACCMODE, nullptr, dfs);
}

int dfs_cont_set_owner(daos_handle_t coh, d_string_t /*user*/, uid_t uid, d_string_t /*group*/, gid_t gid) {
  const Library* library = Library::current();
  const Container* container = library == nullptr ? nullptr : library->containers.find(coh.cookie);
  if (container == nullptr) return EINVAL;
  if (!container->writable) return EPERM;
  ross::fs::SetAttr change;
  if (uid != static_cast<uid_t>(-1)) change.uid = uid;
  if (gid != static_cast<gid_t>(-1)) change.gid = gid;
  const ross::fs::Credential administrator;
  const auto attr = ross::dfs::wait_for(container->file_system().setattr(administrator, ross::fs::kRootNode, change));
  return attr ? 0 : attr.error().error();
}

}  // extern "C"
