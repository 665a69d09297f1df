#include "apps/ross/present/entry.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <map>
#include <mutex>

#include "apps/ross/present/size.h"
#include "apps/ross/present/text.h"

namespace ross::cli {
namespace {

// The system's databases are slow (files, LDAP) and a listing asks for the same few names.
template <class Lookup>
std::string cached(std::map<std::uint32_t, std::string>& names, std::uint32_t id, Lookup lookup) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  auto [found, fresh] = names.try_emplace(id);
  if (fresh) {
    std::array<char, 16384> buffer;
    const char* const name = lookup(buffer.data(), buffer.size());
    found->second = name != nullptr ? name : std::to_string(id);
  }
  return found->second;
}

}  // namespace

std::string user_name(uid_t uid) {
  static std::map<std::uint32_t, std::string> names;
  passwd entry{};
  passwd* found = nullptr;
  return cached(names, uid, [&](char* buffer, std::size_t size) {
    return ::getpwuid_r(uid, &entry, buffer, size, &found) == 0 && found != nullptr ? found->pw_name : nullptr;
  });
}

std::string group_name(gid_t gid) {
  static std::map<std::uint32_t, std::string> names;
  group entry{};
  group* found = nullptr;
  return cached(names, gid, [&](char* buffer, std::size_t size) {
    return ::getgrgid_r(gid, &entry, buffer, size, &found) == 0 && found != nullptr ? found->gr_name : nullptr;
  });
}

Json entry_json(const std::string& key, std::string_view name, const fs::Attr& attr) {
  Json entry;
  put_name(entry, key, name);
  entry["type"] = type_word(attr.mode);
  entry["mode"] = fmt::format("{:04o}", attr.mode & 07777U);
  entry["size"] = attr.size_bytes;
  entry["allocated"] = attr.allocated_bytes;
  entry["links"] = attr.links;
  entry["uid"] = attr.uid;
  entry["gid"] = attr.gid;
  entry["node"] = attr.node.value;
  if (S_ISBLK(attr.mode) || S_ISCHR(attr.mode)) entry["device"] = Json::array({major(attr.rdev), minor(attr.rdev)});
  entry["atime_ns"] = attr.atime_ns;
  entry["mtime_ns"] = attr.mtime_ns;
  entry["ctime_ns"] = attr.ctime_ns;
  entry["btime_ns"] = attr.btime_ns;
  return entry;
}

std::string long_listing(const fs::Attr& attr, bool exact) {
  std::string size = exact ? std::to_string(attr.size_bytes) : format_size(attr.size_bytes);
  if (S_ISBLK(attr.mode) || S_ISCHR(attr.mode)) size = fmt::format("{}, {}", major(attr.rdev), minor(attr.rdev));
  return fmt::format("{} {:>3} {:<8} {:<8} {:>10}  {}  ", format_mode(attr.mode), attr.links, user_name(attr.uid),
                     group_name(attr.gid), size, format_time(attr.mtime_ns));
}

}  // namespace ross::cli
