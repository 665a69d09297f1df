#include "permission.h"

#include <sys/stat.h>
#include <unistd.h>

namespace ross::model {

bool may(const fs::Credential& cred, const fs::Attr& attr, int mask) {
  if (cred.uid == 0) {
    // Nobody runs a file that has no execute bit at all.
    const bool runs = S_ISDIR(attr.mode) || (attr.mode & 0111) != 0;
    return (mask & X_OK) == 0 || runs;
  }
  int bits = 0;
  if (cred.uid == attr.uid) {
    bits = static_cast<int>(attr.mode >> 6);
  } else if (cred.in_group(attr.gid)) {
    bits = static_cast<int>(attr.mode >> 3);
  } else {
    bits = static_cast<int>(attr.mode);
  }
  return (mask & ~bits & 7) == 0;
}

bool may_remove(const fs::Credential& cred, const fs::Attr& directory, const fs::Attr& node) {
  return (directory.mode & S_ISVTX) == 0 || owns(cred, directory) || owns(cred, node);
}

bool owns(const fs::Credential& cred, const fs::Attr& attr) { return cred.uid == 0 || cred.uid == attr.uid; }

std::uint32_t without_set_id(std::uint32_t mode) {
  if (S_ISDIR(mode)) return mode;
  // Set-gid without group execute is not a privilege but, by old custom, mandatory locking: it stays.
  const std::uint32_t clear = S_ISUID | ((mode & S_IXGRP) != 0 ? S_ISGID : 0);
  return mode & ~clear;
}

}  // namespace ross::model
