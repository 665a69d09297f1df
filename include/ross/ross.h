/* ross.h: files and objects of a ROSS store from C, one call at a time or in batches on registered memory.
 *
 * For programs that have no DFS of their own. A program attaches a URL, opens files by path, and either calls
 * ross_pread and friends, which block, or makes a queue and keeps many transfers in flight: the store moves the data
 * between its devices and the program's own memory, with no copy in between where that memory is page aligned.
 *
 *   ross_store* store;
 *   if (ross_attach("local:/srv/ross/pool0/datasets", NULL, &store) < 0) die(ross_last_error());
 *   ross_put(store, "train/part-0", data, size, 0644);
 *   ross_detach(store);
 *
 * Batches (examples/batch_read.c):
 *
 *   ross_queue_submit(queue, ops, count);              // returns how many were accepted
 *   ross_queue_poll(queue, done, 16, -1);              // waits for at least one completion
 *
 * Errors: a call that can fail returns a negative errno, or a count or zero on success. ross_last_error() has the
 * sentence for people; it is the calling thread's own and stays until that thread's next failing call. A null
 * handle or pointer is -EINVAL, never a crash. Each call has the errors of the POSIX call it is named after, and -EIO
 * when the device failed or data did not match its checksum: wrong data is never returned.
 * Durability: ross_fsync, ross_fdatasync, ross_sync and ross_put return when what they cover survives kill -9
 * and power loss. ross_detach syncs too and tells the error if that failed.
 * Ownership: handles belong to the caller until the call that ends them. Strings and memory passed in are
 * borrowed until the call returns, or for queued operations until their completion.
 * Threading: stores and files, any thread. A queue, a directory and a file's position: one thread at a time.
 * Across fork: a child must not use handles of its parent; it attaches anew.
 * ABI: structs begin with their size, which the caller sets to sizeof; they grow at the end, and new fields
 * are zero for old callers. ross_completion alone is fixed for ever.
 */
#ifndef ROSS_ROSS_H
#define ROSS_ROSS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ROSS_API __attribute__((visibility("default")))

#define ROSS_NAME_BYTES_MAX 255
#define ROSS_PATH_BYTES_MAX 4096
#define ROSS_IO_BYTES_MAX 0x7ffff000u /* one read or write, as in Linux */
#define ROSS_QUEUE_DEPTH_MAX 65536u

typedef struct ross_store ross_store;   /* an attached container */
typedef struct ross_file ross_file;     /* an open file */
typedef struct ross_dir ross_dir;       /* a directory being listed */
typedef struct ross_queue ross_queue;   /* operations in flight */
typedef struct ross_buffer ross_buffer; /* registered memory */

/* The version of the library, as in "0.1.0". */
ROSS_API const char* ross_version(void);
/* What went wrong in this thread's last failing call, and what to do. Never null; "" before the first failure. */
ROSS_API const char* ross_last_error(void);

/* ---- pools, containers, attachments ---- */

struct ross_pool_options {
  size_t size;
  uint64_t device_bytes; /* the size of the pool's device file; must be set */
  int ram;               /* 1: the device is in memory and gone after a reboot */
};
/* Makes a pool in a new or empty directory. -EEXIST where there is one already. */
ROSS_API int ross_pool_create(const char* directory, const struct ross_pool_options* options);
/* Makes the container that url names (local:POOL_DIRECTORY/CONTAINER). -EEXIST where there is one already. */
ROSS_API int ross_container_create(const char* url);

struct ross_attach_options {
  size_t size;
  uint64_t cache_bytes; /* metadata kept in memory; 0: the default, 128 MiB */
};
/* Opens the container of url with the credentials of this process. options may be null. Several processes of one user may
 * attach to a pool at once: the first has it open and serves the others, whose calls fail with -ESHUTDOWN should it die
 * (attach again then). -EBUSY when a process that does not share has the pool. */
ROSS_API int ross_attach(const char* url, const struct ross_attach_options* options, ross_store** store);
/* Makes everything durable and lets go. -EBUSY, with nothing done, while files, directories, queues or buffers are
 * open; any other error says that what was not synced may be lost, and the store is gone all the same. A process that
 * serves others waits for them first, ten minutes at most. */
ROSS_API int ross_detach(ross_store* store);
/* Everything done so far is durable. */
ROSS_API int ross_sync(ross_store* store);

struct ross_space {
  size_t size;
  uint64_t total_bytes; /* the pool's, or the container's quota */
  uint64_t free_bytes;
  uint64_t nodes_used;
  uint64_t nodes_total; /* 0: not limited */
};
ROSS_API int ross_statfs(ross_store* store, struct ross_space* space);

/* ---- whole objects by key ---- */

/* Stores an object, replacing atomically what the key held; a key is a path without a leading '/', and the
 * directories it needs are made. Durable on return. */
ROSS_API int ross_put(ross_store* store, const char* key, const void* data, size_t length, uint32_t mode);
/* Reads up to length bytes of an object from offset. Returns the bytes read. -ENOENT. */
ROSS_API int64_t ross_get(ross_store* store, const char* key, void* data, size_t length, uint64_t offset);

/* ---- names ---- */

struct ross_attr {
  size_t size;
  uint64_t node; /* the inode number */
  uint32_t mode; /* type and permission bits, as st_mode */
  uint32_t links;
  uint32_t uid;
  uint32_t gid;
  uint64_t rdev;
  uint64_t size_bytes;
  uint64_t allocated_bytes;
  int64_t atime_ns; /* since 1970 */
  int64_t mtime_ns;
  int64_t ctime_ns;
  int64_t btime_ns;
};
/* Set attr->size first. ross_lstat does not follow a link in the last place. */
ROSS_API int ross_stat(ross_store* store, const char* path, struct ross_attr* attr);
ROSS_API int ross_lstat(ross_store* store, const char* path, struct ross_attr* attr);
ROSS_API int ross_fstat(ross_file* file, struct ross_attr* attr);
/* mode is used as it is: there is no umask here. */
ROSS_API int ross_mkdir(ross_store* store, const char* path, uint32_t mode);
ROSS_API int ross_rmdir(ross_store* store, const char* path);
ROSS_API int ross_unlink(ross_store* store, const char* path);
/* Atomic. flags: 0 replaces, 1 (ROSS_RENAME_NOREPLACE), 2 (ROSS_RENAME_EXCHANGE). */
#define ROSS_RENAME_NOREPLACE 1
#define ROSS_RENAME_EXCHANGE 2
ROSS_API int ross_rename(ross_store* store, const char* from, const char* to, int flags);
ROSS_API int ross_link(ross_store* store, const char* existing, const char* path);
ROSS_API int ross_symlink(ross_store* store, const char* target, const char* path);
/* Copies up to length bytes of the target, with no NUL, and returns the target's whole length. */
ROSS_API int64_t ross_readlink(ross_store* store, const char* path, char* target, size_t length);
ROSS_API int ross_truncate(ross_store* store, const char* path, uint64_t size_bytes);
ROSS_API int ross_chmod(ross_store* store, const char* path, uint32_t mode);
/* UINT32_MAX leaves uid or gid as it is. */
ROSS_API int ross_chown(ross_store* store, const char* path, uint32_t uid, uint32_t gid);
ROSS_API int ross_set_times(ross_store* store, const char* path, int64_t atime_ns, int64_t mtime_ns);
/* Extended attributes. Get copies up to length bytes and returns the value's whole length. flags as setxattr(2). */
ROSS_API int64_t ross_getxattr(ross_store* store, const char* path, const char* name, void* value, size_t length);
ROSS_API int ross_setxattr(ross_store* store, const char* path, const char* name, const void* value, size_t length,
                           int flags);
ROSS_API int ross_removexattr(ross_store* store, const char* path, const char* name);

struct ross_dirent {
  size_t size;
  uint64_t node;
  uint32_t type;                      /* the S_IFMT bits */
  char name[ROSS_NAME_BYTES_MAX + 1]; /* any bytes but '/' and NUL */
};
ROSS_API int ross_opendir(ross_store* store, const char* path, ross_dir** dir);
/* 1 and the next entry ("." and ".." are not listed), 0 at the end. Set entry->size first. An entry that is there
 * throughout a listing is listed once, whatever else comes and goes. */
ROSS_API int ross_readdir(ross_dir* dir, struct ross_dirent* entry);
ROSS_API int ross_closedir(ross_dir* dir);

/* ---- files ---- */

/* flags: O_RDONLY, O_WRONLY or O_RDWR, with O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NOFOLLOW, O_DIRECTORY and the
 * O_CLOEXEC that means nothing here. mode is for a file that is made. */
ROSS_API int ross_open(ross_store* store, const char* path, int flags, uint32_t mode, ross_file** file);
/* ross_open with O_RDWR | O_CREAT | O_TRUNC. */
ROSS_API int ross_create(ross_store* store, const char* path, uint32_t mode, ross_file** file);
/* -EBUSY, with the file still open, while queued operations on it are in flight. */
ROSS_API int ross_close(ross_file* file);
/* Bytes read: less than length only at the end of the file. At most ROSS_IO_BYTES_MAX in one call. */
ROSS_API int64_t ross_pread(ross_file* file, void* data, size_t length, uint64_t offset);
/* Bytes written: all of length or an error. Atomic up to 4 MiB. On a file opened with O_APPEND the offset is ignored. */
ROSS_API int64_t ross_pwrite(ross_file* file, const void* data, size_t length, uint64_t offset);
/* At the file's position, which moves behind what was transferred. */
ROSS_API int64_t ross_read(ross_file* file, void* data, size_t length);
ROSS_API int64_t ross_write(ross_file* file, const void* data, size_t length);
/* Sets the position to offset and returns it; whence as lseek(2), SEEK_DATA and SEEK_HOLE included. */
ROSS_API int64_t ross_seek(ross_file* file, int64_t offset, int whence);
/* Writes at the end of the file, atomically among all appenders. -EINVAL unless the file was opened with O_APPEND. */
ROSS_API int64_t ross_append(ross_file* file, const void* data, size_t length);
ROSS_API int ross_ftruncate(ross_file* file, uint64_t size_bytes);
ROSS_API int ross_fsync(ross_file* file);
ROSS_API int ross_fdatasync(ross_file* file);

/* ---- registered memory ---- */

/* Page-aligned memory that transfers go to and from without a copy. Zeroed. */
ROSS_API int ross_buffer_alloc(ross_store* store, size_t length, ross_buffer** buffer);
/* The same for memory the program has: data and length must be multiples of 4096 (-EINVAL), and the memory must be
 * there and writable (-EFAULT). It stays the program's, and must outlive the registration. */
ROSS_API int ross_buffer_register(ross_store* store, void* data, size_t length, ross_buffer** buffer);
ROSS_API void* ross_buffer_data(const ross_buffer* buffer);
ROSS_API size_t ross_buffer_length(const ross_buffer* buffer);
/* Ends the registration, and frees what ross_buffer_alloc made. -EBUSY while queued operations use it. */
ROSS_API int ross_buffer_free(ross_buffer* buffer);

/* ---- queues ---- */

enum ross_op_code {
  ROSS_OP_READ = 1,
  ROSS_OP_WRITE = 2,
  ROSS_OP_FSYNC = 3,    /* data, offset and length are ignored */
  ROSS_OP_FDATASYNC = 4 /* the same */
};

struct ross_op {
  uint32_t size; /* sizeof(struct ross_op), the same in every op of an array */
  uint32_t op;   /* enum ross_op_code */
  ross_file* file;
  ross_buffer* buffer; /* null, or the registered memory that [data, data + length) must be inside */
  void* data;          /* written by a read, only read by a write */
  uint64_t length;     /* at most ROSS_IO_BYTES_MAX */
  uint64_t offset;
  uint64_t user_data; /* comes back in the completion */
};

struct ross_completion {
  uint64_t user_data;
  int64_t result;      /* bytes for a transfer, 0 for a sync, or a negative errno */
  const char* message; /* null unless the result is negative; stays until the queue's next poll */
  uint64_t reserved;
};

struct ross_queue_options {
  size_t size;
  uint32_t depth; /* operations accepted and not yet polled, at most; 0: 128 */
};
/* A queue for files of store. options may be null. */
ROSS_API int ross_queue_create(ross_store* store, const struct ross_queue_options* options, ross_queue** queue);
/* Waits for what is in flight, then drops completions nobody polled. */
ROSS_API int ross_queue_destroy(ross_queue* queue);
/* Starts operations in order and returns how many were accepted: the first ones, up to the first that is refused.
 * Accepted means exactly one completion from ross_queue_poll, later; refused means none, ever. When the first
 * is refused the error is returned instead: -EAGAIN when the queue is full (poll, then submit again), -EINVAL for an
 * operation that is none, -EBADF for a file of another store. Operations may run and complete in any order. */
ROSS_API int64_t ross_queue_submit(ross_queue* queue, const struct ross_op* ops, size_t count);
/* Takes up to max completions. With none ready, waits up to timeout_ns for one (negative: as long as it takes); returns
 * 0 when the time is up or nothing is in flight. Operations progress only inside submit and poll. */
ROSS_API int64_t ross_queue_poll(ross_queue* queue, struct ross_completion* completions, size_t max,
                                 int64_t timeout_ns);
/* Operations accepted and not yet polled. */
ROSS_API int64_t ross_queue_inflight(const ross_queue* queue);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ROSS_ROSS_H */
