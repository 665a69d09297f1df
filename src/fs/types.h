// The words of the file system seam: nodes, handles, attributes, credentials, flags.
//
// Times are nanoseconds since 1970. Modes are those of stat(2). Threading: immutable values.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strong_id.h"

namespace ross::fs {

struct NodeTag;
// A file, directory or link inside one file system; never reused while the file system lives.
using NodeId = StrongId<NodeTag, std::uint64_t>;
inline constexpr NodeId kRootNode{1};

struct FileTag;
// An open file or directory: what open() gave, valid until close().
using FileId = StrongId<FileTag, std::uint64_t>;

inline constexpr std::size_t kNameBytesMax = 255;
inline constexpr std::size_t kSymlinkBytesMax = 4095;
inline constexpr std::size_t kXattrNameBytesMax = 255;
inline constexpr std::size_t kXattrValueBytesMax = 64 * 1024;
inline constexpr std::uint64_t kFileBytesMax = std::uint64_t{16} << 40;  // 16 TiB
inline constexpr std::uint32_t kLinksMax = 1'000'000;

// Who asks. Uid 0 passes every permission check except those that no one passes.
struct Credential {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary
  [[nodiscard]] bool in_group(gid_t group) const;
};

struct Attr {
  NodeId node;
  std::uint32_t mode = 0;  // type and permission bits
  std::uint32_t links = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t rdev = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;  // what it occupies, preallocation included
  std::int64_t atime_ns = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::int64_t btime_ns = 0;
};

// What setattr changes; what is not set stays.
struct SetAttr {
  std::optional<std::uint32_t> mode;  // permission bits, set-id and sticky; the type is ignored
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<std::uint64_t> size_bytes;
  std::optional<std::int64_t> atime_ns;
  std::optional<std::int64_t> mtime_ns;
  bool atime_now = false;  // the server's clock; allowed to whoever may write
  bool mtime_now = false;
};

struct OpenFlags {
  bool read = false;
  bool write = false;
  bool append = false;  // every write goes to the end, atomically
  bool truncate = false;
  bool exclusive = false;  // create() only: EEXIST if it is there
  // open() only, and only of what was open before the server was started anew: what its mode allows by now does not matter.
  bool again = false;
  static OpenFlags from_posix(int flags);  // O_RDONLY ... O_EXCL
};

struct Opened {
  FileId file;
  Attr attr;
  bool created = false;
};

struct DirEntry {
  std::string name;
  NodeId node;
  std::uint32_t type = 0;    // the S_IFMT bits
  std::uint64_t cursor = 0;  // pass it to readdir to go on behind this entry
  std::optional<Attr> attr;  // when asked for
};

struct ReaddirOptions {
  std::uint64_t cursor = 0;  // 0 begins; "." and ".." are not listed
  std::size_t entries_max = 1024;
  bool with_attr = false;
};

enum class RenameFlags : std::uint8_t { kReplace, kNoReplace, kExchange };

enum class XattrFlags : std::uint8_t { kSet, kCreate, kReplace };

enum class SeekKind : std::uint8_t { kData, kHole };

enum class Fallocate : std::uint8_t {
  kAllocate,          // reserve space, grow the file
  kAllocateKeepSize,  // reserve space only
  kPunchHole,         // free the range, keep the size; reads as zeros
  kZeroRange,         // reads as zeros, space stays reserved, grow the file
};

struct StatFs {
  std::uint64_t total_bytes = 0;  // of the pool, or of the container's quota
  std::uint64_t free_bytes = 0;
  std::uint64_t nodes_total = 0;  // 0: not limited
  std::uint64_t nodes_used = 0;
  std::uint32_t block_bytes = 4096;
  std::uint32_t name_bytes_max = kNameBytesMax;
};

// A byte-range (fcntl, per owner) or a whole-file (flock, per open file) lock.
enum class LockKind : std::uint8_t { kUnlock, kShared, kExclusive };
struct LockRange {
  std::uint64_t owner = 0;  // who holds it: a process for byte ranges, an open file for flock
  LockKind kind = LockKind::kUnlock;
  std::uint64_t begin = 0;
  std::uint64_t end = UINT64_MAX;  // exclusive; UINT64_MAX is "to the end, however far"
  std::int32_t pid = 0;            // told to those who ask who is in the way
  bool flock = false;              // flock and byte-range locks do not see each other
};

}  // namespace ross::fs
