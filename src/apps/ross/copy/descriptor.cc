#include "apps/ross/copy/descriptor.h"

#include "apps/ross/copy/tree.h"

namespace ross::cli::copy {
namespace {

std::int64_t to_ns(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

}  // namespace

fs::Attr to_attr(const struct stat& found) {
  fs::Attr attr;
  attr.node = fs::NodeId(found.st_ino);
  attr.mode = found.st_mode;
  attr.links = static_cast<std::uint32_t>(found.st_nlink);
  attr.uid = found.st_uid;
  attr.gid = found.st_gid;
  attr.rdev = found.st_rdev;
  attr.size_bytes = static_cast<std::uint64_t>(found.st_size);
  attr.allocated_bytes = static_cast<std::uint64_t>(found.st_blocks) * 512;
  attr.atime_ns = to_ns(found.st_atim);
  attr.mtime_ns = to_ns(found.st_mtim);
  attr.ctime_ns = to_ns(found.st_ctim);
  return attr;
}

std::string descriptor_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

bool keeps_xattr(std::string_view name, bool root) {
  if (name.starts_with("user.") || name.starts_with("system.posix_acl_")) return true;
  // A label of a security module belongs to the system it was made on.
  return root && (name.starts_with("trusted.") || name == "security.capability");
}

}  // namespace ross::cli::copy
