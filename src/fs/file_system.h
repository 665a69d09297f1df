// FileSystem: the one seam of ROSS. An asynchronous POSIX namespace with whole-object access to the same files.
//
// The embedded engine, the remote client, the adapters and every service implement it; faces, the server and services
// use it. One conformance suite (test/conformance/file_system) says what each call means and runs on every kind.
//
//   auto attr = co_await fs.lookup(cred, fs::kRootNode, "train");
//   auto opened = co_await fs.create(cred, attr->node, "part-0", 0644, {.write = true});
//   co_await fs.write(opened->file, 0, memory::Memory(data, size));
//   co_await fs.fsync(opened->file, false);
//   co_await fs.close(opened->file);
//
// Errors are the errno values of the POSIX call of the same name; every call may also answer EIO (the device or the
// store failed, or data did not match its checksum; nothing wrong is ever returned), ENOSPC, EDQUOT and, on a call that
// changes something, EROFS. On an error nothing has changed unless the call says otherwise.
// Atomicity: each call happens whole or not at all, for other callers and across a crash; a write is atomic up to
// kAtomicWriteBytes and split into such pieces beyond.
// Durability: fsync, sync and put with durable = true return when what they cover survives kill -9 and power
// loss. Everything else may be lost in a crash, but never in part and never out of order within one file system.
// A caller may name its changes, and a file system that can remembers which were made: fs/change_id.h.
// Permissions are checked against the credential at lookup, open and change; read and write trust the open file.
// Names are 1 to 255 bytes without '/' and NUL; "." and ".." are EINVAL here: paths are the faces' business (fs/path.h).
// Ownership: views and memory passed in live until the awaited task is done. Threading: any thread that drives a loop.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "fs/loan.h"
#include "fs/types.h"
#include "memory/memory.h"
#include "runtime/task.h"

namespace ross::fs {

inline constexpr std::uint64_t kAtomicWriteBytes = 4 * 1024 * 1024;

template <class T>
using Async = runtime::Task<Result<T>>;
using AsyncStatus = runtime::Task<Status>;

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // ---- names ----
  // ENOENT, ENOTDIR, EACCES (no search permission on parent), ENAMETOOLONG, ESTALE (parent is gone).
  virtual Async<Attr> lookup(const Credential& cred, NodeId parent, std::string_view name) = 0;
  // The directory that holds directory node (the root holds itself); ENOTDIR for anything else.
  virtual Async<NodeId> parent(NodeId node) = 0;
  virtual Async<Attr> mkdir(const Credential& cred, NodeId parent, std::string_view name, std::uint32_t mode) = 0;
  // Regular files, FIFOs, sockets and device nodes (which are only kept, and need uid 0).
  virtual Async<Attr> mknod(const Credential& cred, NodeId parent, std::string_view name, std::uint32_t mode,
                            std::uint64_t rdev) = 0;
  virtual Async<Attr> symlink(const Credential& cred, NodeId parent, std::string_view name,
                              std::string_view target) = 0;
  virtual Async<std::string> readlink(NodeId node) = 0;
  virtual Async<Attr> link(const Credential& cred, NodeId node, NodeId parent, std::string_view name) = 0;
  // Files and links; EISDIR for a directory. An open file lives on until its last close.
  virtual AsyncStatus unlink(const Credential& cred, NodeId parent, std::string_view name) = 0;
  virtual AsyncStatus rmdir(const Credential& cred, NodeId parent, std::string_view name) = 0;
  virtual AsyncStatus rename(const Credential& cred, NodeId parent, std::string_view name, NodeId new_parent,
                             std::string_view new_name, RenameFlags flags) = 0;
  // Entries come in an order of the file system's own. An entry that is there throughout a whole listing is listed
  // once; one that comes or goes meanwhile is listed once or not. Empty means the end.
  virtual Async<std::vector<DirEntry>> readdir(const Credential& cred, NodeId directory,
                                               const ReaddirOptions& options) = 0;

  // ---- attributes ----
  virtual Async<Attr> getattr(NodeId node) = 0;
  // file, when set, stands for write permission gained at open (ftruncate).
  virtual Async<Attr> setattr(const Credential& cred, NodeId node, const SetAttr& change,
                              std::optional<FileId> file = std::nullopt) = 0;
  // EACCES unless cred may do all of mask (R_OK, W_OK, X_OK).
  virtual AsyncStatus access(const Credential& cred, NodeId node, int mask) = 0;
  // ENODATA when it is not there. Names are in the spaces user., trusted., security. and system.
  virtual Async<std::string> getxattr(const Credential& cred, NodeId node, std::string_view name) = 0;
  virtual AsyncStatus setxattr(const Credential& cred, NodeId node, std::string_view name, std::string_view value,
                               XattrFlags flags) = 0;
  virtual Async<std::vector<std::string>> listxattr(const Credential& cred, NodeId node) = 0;
  virtual AsyncStatus removexattr(const Credential& cred, NodeId node, std::string_view name) = 0;

  // ---- files ----
  virtual Async<Opened> open(const Credential& cred, NodeId node, OpenFlags flags) = 0;
  // Opens name in parent and makes it if it is not there; among racing exclusive creates one wins.
  virtual Async<Opened> create(const Credential& cred, NodeId parent, std::string_view name, std::uint32_t mode,
                               OpenFlags flags) = 0;
  // A file without a name, gone at close unless publish() names it.
  virtual Async<Opened> create_unnamed(const Credential& cred, NodeId parent, std::uint32_t mode) = 0;
  // Gives an unnamed file a name, replacing atomically what the name held (a directory there is EISDIR).
  virtual AsyncStatus publish(const Credential& cred, FileId file, NodeId parent, std::string_view name) = 0;
  virtual AsyncStatus close(FileId file) = 0;
  // Bytes read: less than asked only at the end of the file. Holes read as zeros.
  virtual Async<std::uint64_t> read(FileId file, std::uint64_t offset_bytes, memory::Memory into) = 0;
  // The same without a copy, for who passes the data on: a loan of what a read would give. False: this file system does not
  // lend, or not this part; then read() it.
  virtual Async<bool> lend(FileId file, std::uint64_t offset_bytes, std::uint64_t size_bytes, Loan& loan) {
    static_cast<void>(file), static_cast<void>(offset_bytes), static_cast<void>(size_bytes), static_cast<void>(loan);
    return Async<bool>::ready(false);
  }
  // Whether read() and write() take windows, too, which they hand on to who can reach them. EIO with Retry::kEndpoint where that
  // fails: then nobody has begun the call, or it can be made again by its ChangeId, with memory of another kind.
  [[nodiscard]] virtual bool passes_windows() const { return false; }
  // Bytes written: all of them, or an error. EFBIG past kFileBytesMax. Append ignores the offset.
  virtual Async<std::uint64_t> write(FileId file, std::uint64_t offset_bytes, memory::Memory from) = 0;
  virtual AsyncStatus fallocate(FileId file, Fallocate kind, std::uint64_t offset_bytes, std::uint64_t size_bytes) = 0;
  // The next data or hole at or behind offset; ENXIO past the end.
  virtual Async<std::uint64_t> seek(FileId file, SeekKind kind, std::uint64_t offset_bytes) = 0;
  // data_only leaves out times; size and mapping are always covered.
  virtual AsyncStatus fsync(FileId file, bool data_only) = 0;
  // Everything done so far in this file system.
  virtual AsyncStatus sync() = 0;

  // ---- locks ----
  // Takes, changes or (kUnlock) gives back a lock. wait = false answers EAGAIN when another owner is in the way;
  // wait = true waits, and answers EDEADLK where that could never end.
  virtual AsyncStatus lock(FileId file, const LockRange& range, bool wait) = 0;
  // The first lock in the way of range, or kUnlock.
  virtual Async<LockRange> test_lock(FileId file, const LockRange& range) = 0;
  // Drops every lock of owner on the file and wakes its waits with EINTR.
  virtual AsyncStatus unlock_owner(FileId file, std::uint64_t owner) = 0;

  // ---- whole ----
  virtual Async<StatFs> statfs() = 0;
};

}  // namespace ross::fs
