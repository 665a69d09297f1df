// A file's attributes as people and programs see them. Threading: any thread.
#pragma once

#include <string>

#include "apps/ross/present/output.h"
#include "fs/types.h"

namespace ross::cli {

// {"name": ..., "type": ..., "mode": "0644", "size": ..., ...}
Json entry_json(const std::string& key, std::string_view name, const fs::Attr& attr);
// "-rw-r--r--   1 root     root       1.50 KiB  2026-11-23 14:44  " or, with exact, the size in bytes.
std::string long_listing(const fs::Attr& attr, bool exact);
// Names where the system knows them, else numbers.
std::string user_name(uid_t uid);
std::string group_name(gid_t gid);

}  // namespace ross::cli
