// Permission checks of POSIX: who may read, write, search, own and delete. Threading: any thread.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "engine/format/records.h"
#include "fs/types.h"

namespace ross::engine {

inline constexpr std::uint32_t kPermissionBits = 07777;

// EACCES unless cred may do all of mask (R_OK, W_OK, X_OK). Uid 0 may, save executing a file without any x bit.
inline Status may(const fs::Credential& cred, const format::InodeRecord& node, int mask) {
  if (cred.uid == 0) {
    const bool runs = S_ISDIR(node.mode) || (node.mode & 0111) != 0;
    return (mask & X_OK) != 0 && !runs ? Status(EACCES) : Status();
  }
  std::uint32_t bits = node.mode & 7;
  if (cred.uid == node.uid) {
    bits = (node.mode >> 6) & 7;
  } else if (cred.in_group(node.gid)) {
    bits = (node.mode >> 3) & 7;
  }
  return (static_cast<std::uint32_t>(mask) & ~bits) == 0 ? Status() : Status(EACCES);
}

inline bool owns(const fs::Credential& cred, const format::InodeRecord& node) {
  return cred.uid == 0 || cred.uid == node.uid;
}

inline Status check_name(std::string_view name) {
  if (name.empty() || name == "." || name == "..") return Status(EINVAL);
  if (name.size() > fs::kNameBytesMax) return Status(ENAMETOOLONG);
  if (name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) return Status(EINVAL);
  return {};
}

// What a change of content or owner does to the mode: set-id bits go, unless uid 0 did it.
inline std::uint32_t mode_after_write(bool privileged, std::uint32_t mode) {
  if (privileged) return mode;
  mode &= ~static_cast<std::uint32_t>(S_ISUID);
  if ((mode & S_IXGRP) != 0) mode &= ~static_cast<std::uint32_t>(S_ISGID);
  return mode;
}

}  // namespace ross::engine
