// DFS: a POSIX name space in a container.
//
//   dfs_t* dfs; dfs_mount(poh, coh, O_RDWR, &dfs);
//   dfs_obj_t* file; dfs_open(dfs, NULL, "part-0", S_IFREG | 0644, O_CREAT | O_RDWR, 0, 0, NULL, &file);
//   dfs_write(dfs, file, &sgl, 0, NULL);
//   dfs_sync(dfs);                               // now it survives power loss
//   dfs_release(file); dfs_umount(dfs);
//
// A parent of NULL is the root directory. Names are one component without '/'; paths begin with '/'.
// Errors: 0 or a positive errno. With an event, the call answers 0 and ev_error becomes the errno.
// Durability: dfs_sync, dfs_umount, dfs_disconnect and daos_cont_close acknowledge it, and say if it failed. Releasing a
// file does not. What was not acknowledged may be lost in a crash, whole calls at a time.
// Atomicity: every call but a dfs_remove with force is atomic, also dfs_move over an existing name; a removed file that
// is open stays readable until released.
// Ownership: dfs_t and dfs_obj_t are handles, checked at every use: EINVAL for one that is closed. Threading: any thread.
#ifndef ROSS_DAOS_FS_H
#define ROSS_DAOS_FS_H

#include <daos_array.h>
#include <daos_cont.h>
#include <daos_obj.h>
#include <daos_obj_class.h>
#include <daos_types.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DFS_MAX_NAME 255
#define DFS_MAX_PATH 4096
#define DFS_MAX_FSIZE (~0ULL)
#define DFS_DEFAULT_CHUNK_SIZE 1048576
#define DFS_MAX_XATTR_NAME 255
#define DFS_MAX_XATTR_LEN 65536
#define DAOS_SUPER_MAGIC 0xDA05AD10

typedef struct dfs dfs_t;
typedef struct dfs_obj dfs_obj_t;

// Consistency: ROSS is always balanced, so both are accepted.
#define DFS_BALANCED 4
#define DFS_RELAXED 0
#define DFS_RDONLY O_RDONLY
#define DFS_RDWR O_RDWR

typedef struct {
  uint64_t da_id;
  daos_size_t da_chunk_size;
  daos_oclass_id_t da_oclass_id;
  daos_prop_t* da_props;
  uint32_t da_mode;
  daos_oclass_id_t da_dir_oclass_id;
  daos_oclass_id_t da_file_oclass_id;
  char da_hints[DAOS_CONT_HINT_MAX_LEN];
} dfs_attr_t;

// Ranges of a file, for dfs_readx and dfs_writex.
typedef struct {
  daos_size_t iod_nr;
  daos_range_t* iod_rgs;
} dfs_iod_t;

typedef struct {
  daos_oclass_id_t doi_oclass_id;
  daos_size_t doi_chunk_size;
  daos_oclass_id_t doi_dir_oclass_id;
  daos_oclass_id_t doi_file_oclass_id;
  daos_obj_id_t doi_oid;
} dfs_obj_info_t;

// ---- library, pools, containers ----
// As daos_init and daos_fini, for programs that only connect.
int dfs_init(void);
int dfs_fini(void);
// Pool, container and mount in one. flags is O_RDONLY or O_RDWR, with O_CREAT to make the container (attr may be null)
// and O_EXCL to insist on making it.
int dfs_connect(const char* pool, const char* sys, const char* cont, int flags, dfs_attr_t* attr, dfs_t** dfs);
int dfs_disconnect(dfs_t* dfs);
int dfs_destroy(const char* pool, const char* sys, const char* cont, int force, daos_event_t* ev);
// Makes a container; uuid, coh and dfs are out, each may be null. With dfs, coh must be given too.
int dfs_cont_create(daos_handle_t poh, uuid_t* uuid, dfs_attr_t* attr, daos_handle_t* coh, dfs_t** dfs);
int dfs_cont_create_with_label(daos_handle_t poh, const char* label, dfs_attr_t* attr, uuid_t* uuid, daos_handle_t* coh,
                               dfs_t** dfs);
int dfs_mount(daos_handle_t poh, daos_handle_t coh, int flags, dfs_t** dfs);
// Makes everything durable, then closes the mount and what is still open in it. EBUSY while reads or writes run.
int dfs_umount(dfs_t* dfs);
int dfs_pool_get(dfs_t* dfs, daos_handle_t* poh);
int dfs_pool_put(dfs_t* dfs, daos_handle_t poh);
int dfs_cont_get(dfs_t* dfs, daos_handle_t* coh);
int dfs_cont_put(dfs_t* dfs, daos_handle_t coh);
int dfs_query(dfs_t* dfs, dfs_attr_t* attr);
// Mounts as bytes for other processes; sizes as for daos_pool_local2global. The _all forms carry pool and container.
int dfs_local2global(dfs_t* dfs, d_iov_t* glob);
int dfs_global2local(daos_handle_t poh, daos_handle_t coh, int flags, d_iov_t glob, dfs_t** dfs);
int dfs_local2global_all(dfs_t* dfs, d_iov_t* glob);
int dfs_global2local_all(int flags, d_iov_t glob, dfs_t** dfs);
// A path before every path given to dfs_lookup, which is taken off; null for none.
int dfs_set_prefix(dfs_t* dfs, const char* prefix);

// ---- names ----
int dfs_obj2id(dfs_obj_t* obj, daos_obj_id_t* oid);
// Follows links, the last one unless flags has O_NOFOLLOW. mode and stbuf are out and may be null.
int dfs_lookup(dfs_t* dfs, const char* path, int flags, dfs_obj_t** obj, mode_t* mode, struct stat* stbuf);
int dfs_lookup_rel(dfs_t* dfs, dfs_obj_t* parent, const char* name, int flags, dfs_obj_t** obj, mode_t* mode,
                   struct stat* stbuf);
int dfs_suggest_oclass(dfs_t* dfs, const char* hint, daos_oclass_id_t* cid);
// Opens, or with O_CREAT makes, a file, directory or link, as the type in mode says; value is a link's target.
// O_APPEND is honoured.
int dfs_open(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode, int flags, daos_oclass_id_t cid,
             daos_size_t chunk_size, const char* value, dfs_obj_t** obj);
int dfs_dup(dfs_t* dfs, dfs_obj_t* obj, int flags, dfs_obj_t** new_obj);
int dfs_obj_local2global(dfs_t* dfs, dfs_obj_t* obj, d_iov_t* glob);
int dfs_obj_global2local(dfs_t* dfs, int flags, d_iov_t glob, dfs_obj_t** obj);
// EBUSY while reads or writes of it run.
int dfs_release(dfs_obj_t* obj);
int dfs_mkdir(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode, daos_oclass_id_t cid);
// With force a directory goes with everything below it. oid is out and may be null.
int dfs_remove(dfs_t* dfs, dfs_obj_t* parent, const char* name, bool force, daos_obj_id_t* oid);
// Replaces new_name atomically; oid becomes what was replaced, or nil.
int dfs_move(dfs_t* dfs, dfs_obj_t* parent, const char* name, dfs_obj_t* new_parent, const char* new_name,
             daos_obj_id_t* oid);
int dfs_exchange(dfs_t* dfs, dfs_obj_t* parent1, const char* name1, dfs_obj_t* parent2, const char* name2);
int dfs_update_parent(dfs_obj_t* obj, dfs_obj_t* src_obj, const char* name);

// ---- data ----
// sgl says where to and from; its lengths are iov_len. read_size becomes the bytes read: fewer than asked only at the
// end of the file. Memory, lists and read_size stay in place until the event completes.
int dfs_read(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* sgl, daos_off_t off, daos_size_t* read_size, daos_event_t* ev);
int dfs_readx(dfs_t* dfs, dfs_obj_t* obj, dfs_iod_t* iod, d_sg_list_t* sgl, daos_size_t* read_size, daos_event_t* ev);
int dfs_write(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* sgl, daos_off_t off, daos_event_t* ev);
int dfs_writex(dfs_t* dfs, dfs_obj_t* obj, dfs_iod_t* iod, d_sg_list_t* sgl, daos_event_t* ev);
int dfs_get_size(dfs_t* dfs, dfs_obj_t* obj, daos_size_t* size);
int dfs_get_size_by_oid(dfs_t* dfs, daos_obj_id_t oid, daos_size_t chunk_size, daos_size_t* size);
// len DFS_MAX_FSIZE: the file ends at offset, also when that is farther than now. Else a hole.
int dfs_punch(dfs_t* dfs, dfs_obj_t* obj, daos_off_t offset, daos_size_t len);
int dfs_sync(dfs_t* dfs);

// ---- directories ----
// *nr is the room, then the entries given; at the end the anchor is daos_anchor_is_eof. An entry that is there
// throughout is listed once.
int dfs_readdir(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, struct dirent* dirs);
int dfs_readdirplus(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, struct dirent* dirs,
                    struct stat* stbufs);
// Calls op for at most *nr entries; what op returns other than 0 ends it and is returned.
typedef int (*dfs_filler_cb_t)(dfs_t* dfs, dfs_obj_t* obj, const char name[], void* arg);
int dfs_iterate(dfs_t* dfs, dfs_obj_t* obj, daos_anchor_t* anchor, uint32_t* nr, size_t size, dfs_filler_cb_t op,
                void* arg);
// Behind the entry of a name.
int dfs_dir_anchor_set(dfs_obj_t* obj, const char name[], daos_anchor_t* anchor);
// A listing in parts: ROSS lists in one.
int dfs_obj_anchor_split(dfs_obj_t* obj, uint32_t* nr, daos_anchor_t* anchors);
int dfs_obj_anchor_set(dfs_obj_t* obj, uint32_t index, daos_anchor_t* anchor);

// ---- attributes ----
int dfs_get_mode(dfs_obj_t* obj, mode_t* mode);
int dfs_obj_get_info(dfs_t* dfs, dfs_obj_t* obj, dfs_obj_info_t* info);
// Of a directory: for what is made in it through handles opened from then on.
int dfs_obj_set_oclass(dfs_t* dfs, dfs_obj_t* obj, int flags, daos_oclass_id_t cid);
int dfs_obj_set_chunk_size(dfs_t* dfs, dfs_obj_t* obj, int flags, daos_size_t csize);
int dfs_get_chunk_size(dfs_obj_t* obj, daos_size_t* chunk_size);
// ENOTSUP: there is no object below a file.
int dfs_get_file_oh(dfs_obj_t* obj, daos_handle_t* oh);
// *size is the room, then what the target takes with its NUL; a null buf only asks.
int dfs_get_symlink_value(dfs_obj_t* obj, char* buf, daos_size_t* size);
int dfs_stat(dfs_t* dfs, dfs_obj_t* parent, const char* name, struct stat* stbuf);
int dfs_ostat(dfs_t* dfs, dfs_obj_t* obj, struct stat* stbuf);
#define DFS_SET_ATTR_MODE (1 << 0)
#define DFS_SET_ATTR_ATIME (1 << 1)
#define DFS_SET_ATTR_MTIME (1 << 2)
#define DFS_SET_ATTR_SIZE (1 << 3)
#define DFS_SET_ATTR_UID (1 << 4)
#define DFS_SET_ATTR_GID (1 << 5)
// stbuf becomes the attributes after the change.
int dfs_osetattr(dfs_t* dfs, dfs_obj_t* obj, struct stat* stbuf, int flags);
int dfs_access(dfs_t* dfs, dfs_obj_t* parent, const char* name, int mask);
int dfs_chmod(dfs_t* dfs, dfs_obj_t* parent, const char* name, mode_t mode);
// (uid_t)-1 and (gid_t)-1 stay as they are; O_NOFOLLOW changes a link itself.
int dfs_chown(dfs_t* dfs, dfs_obj_t* parent, const char* name, uid_t uid, gid_t gid, int flags);

// Extended attributes. A name without a namespace is kept as "user.dfs." and the name.
// *size is the room, then the size; a null buffer or room 0 only asks; ERANGE when too small; ENODATA when not there.
int dfs_setxattr(dfs_t* dfs, dfs_obj_t* obj, const char* name, const void* value, daos_size_t size, int flags);
int dfs_getxattr(dfs_t* dfs, dfs_obj_t* obj, const char* name, void* value, daos_size_t* size);
int dfs_removexattr(dfs_t* dfs, dfs_obj_t* obj, const char* name);
int dfs_listxattr(dfs_t* dfs, dfs_obj_t* obj, char* list, daos_size_t* size);

// ---- administration ----
enum {
  DFS_CHECK_PRINT = 1 << 0,
  DFS_CHECK_REMOVE = 1 << 1,
  DFS_CHECK_RELINK = 1 << 2,
  DFS_CHECK_VERIFY = 1 << 3,
  DFS_CHECK_EVICT_ALL = 1 << 4
};
// ENOTSUP: a pool is checked as a whole, by `ross fsck`.
int dfs_cont_check(daos_handle_t poh, const char* cont, uint64_t flags, const char* name);
int dfs_cont_scan(daos_handle_t poh, const char* cont, uint64_t flags, const char* name);
// Owner of the root directory, by number; the names are not used. -1 stays as it is.
int dfs_cont_set_owner(daos_handle_t coh, d_string_t user, uid_t uid, d_string_t group, gid_t gid);

// ---- filtered listings ----
typedef struct dfs_pipeline dfs_pipeline_t;
enum { DFS_FILTER_NAME = 1 << 1, DFS_FILTER_NEWER = 1 << 2, DFS_FILTER_INCLUDE_DIRS = 1 << 3 };
typedef struct {
  char dp_name[DFS_MAX_NAME];  // '%' stands for anything, '_' for one byte, '\\' takes the next byte as it is
  time_t dp_newer;             // modified later than this
  size_t dp_size;
} dfs_predicate_t;
int dfs_pipeline_create(dfs_t* dfs, dfs_predicate_t pred, uint64_t flags, dfs_pipeline_t** dpipe);
int dfs_pipeline_destroy(dfs_pipeline_t* dpipe);
// oids and csizes may be null; nr_scanned becomes how many entries were looked at.
int dfs_readdir_with_filter(dfs_t* dfs, dfs_obj_t* obj, dfs_pipeline_t* dpipe, daos_anchor_t* anchor, uint32_t* nr,
                            struct dirent* dirs, daos_obj_id_t* oids, daos_size_t* csizes, uint64_t* nr_scanned);

#ifdef __cplusplus
}
#endif
#endif
