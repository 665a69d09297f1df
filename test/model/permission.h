// The permission rules of POSIX and Linux, said once: bits, sticky directories, set-id bits.
//
// Threading: immutable, plain functions.
#pragma once

#include <cstdint>

#include "fs/types.h"

namespace ross::model {

// Whether cred may do all of mask (R_OK, W_OK, X_OK) to a node with attr.
bool may(const fs::Credential& cred, const fs::Attr& attr, int mask);
// Whether cred, who may write in the directory, may take the entry of node out of it (sticky directories).
bool may_remove(const fs::Credential& cred, const fs::Attr& directory, const fs::Attr& node);
bool owns(const fs::Credential& cred, const fs::Attr& attr);
// The mode left after somebody without privilege changed the file's content or owner.
std::uint32_t without_set_id(std::uint32_t mode);

}  // namespace ross::model
