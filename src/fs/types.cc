#include "fs/types.h"

#include <fcntl.h>

#include <algorithm>

namespace ross::fs {

bool Credential::in_group(gid_t group) const {
  return gid == group || std::find(groups.begin(), groups.end(), group) != groups.end();
}

OpenFlags OpenFlags::from_posix(int flags) {
  const int access = flags & O_ACCMODE;
  return {.read = access == O_RDONLY || access == O_RDWR,
          .write = access == O_WRONLY || access == O_RDWR,
          .append = (flags & O_APPEND) != 0,
          .truncate = (flags & O_TRUNC) != 0,
          .exclusive = (flags & O_EXCL) != 0};
}

}  // namespace ross::fs
