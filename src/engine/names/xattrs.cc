// Extended attributes: getxattr, setxattr, listxattr, removexattr, with the name spaces and permissions of Linux.
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

using format::KeyKind;

namespace {

// The part of the name that says whose it is: "user.", "trusted." or "security.".
std::string_view space_of(std::string_view name) {
  const std::size_t dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot + 1);
}

Status check_xattr_name(std::string_view name) {
  if (name.empty() || name.size() > fs::kXattrNameBytesMax) return Status(ERANGE);
  if (name.find('\0') != std::string_view::npos) return Status(EINVAL);
  const std::string_view space = space_of(name);
  if (space != "trusted." && space != "security." && space != "user.") return Status(EOPNOTSUPP);
  return name.size() == space.size() ? Status(EINVAL) : Status();
}

Status may_use(const fs::Credential& cred, const format::InodeRecord& node, std::string_view name, bool write) {
  const std::string_view space = space_of(name);
  if (space == "trusted.") {
    if (cred.uid != 0) return Status(write ? EPERM : ENODATA);
  } else if (space == "security.") {
    if (write && cred.uid != 0) return Status(EPERM);
  } else {
    if (!S_ISREG(node.mode) && !S_ISDIR(node.mode)) return Status(write ? EPERM : ENODATA);
    const bool sticky = S_ISDIR(node.mode) && (node.mode & S_ISVTX) != 0;
    if (write && sticky && !owns(cred, node)) return Status(EPERM);
    ROSS_STATUS(may(cred, node, write ? W_OK : R_OK));
  }
  return {};
}

}  // namespace

fs::Async<std::string> Container::getxattr(const fs::Credential& cred, fs::NodeId node, std::string_view name) {
  const auto get = [&]() -> Result<std::string> {
    const Lock lock(core_.mutex);
    core_.nodes.trim();
    ROSS_OK(check_xattr_name(name));
    ROSS_TRY(const Inode* const inode, find(node));
    ROSS_OK(may_use(cred, inode->record, name, false));
    if ((inode->record.flags & format::InodeRecord::kHasXattrs) == 0) return fail(ENODATA);
    ROSS_TRY(auto value, core_.store->get(format::xattr_key(inode->key, name)));
    if (!value) return fail(ENODATA);
    return *std::move(value);
  };
  return fs::Async<std::string>::ready(get());
}

fs::Async<std::vector<std::string>> Container::listxattr(const fs::Credential& cred, fs::NodeId node) {
  const auto list = [&]() -> Result<std::vector<std::string>> {
    const Lock lock(core_.mutex);
    core_.nodes.trim();
    ROSS_TRY(const Inode* const inode, find(node));
    std::vector<std::string> names;
    if ((inode->record.flags & format::InodeRecord::kHasXattrs) == 0) return names;
    ROSS_OK(core_.store->scan(format::node_key(KeyKind::kXattr, inode->key), {}, [&](std::string_view key, auto) {
      const std::string_view name = key.substr(format::kNodePrefixBytes);
      if (cred.uid == 0 || !name.starts_with("trusted.")) names.emplace_back(name);
      return true;
    }));
    return names;
  };
  return fs::Async<std::vector<std::string>>::ready(list());
}

fs::AsyncStatus Container::setxattr(const fs::Credential& cred, fs::NodeId node, std::string_view name,
                                    std::string_view value, fs::XattrFlags flags) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) {
    if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
  }
  const auto set = [&]() -> Result<bool> {
    ROSS_OK(check_xattr_name(name));
    if (value.size() > fs::kXattrValueBytesMax) return fail(E2BIG);
    ROSS_TRY(Inode* const inode, find(node));
    ROSS_OK(may_use(cred, inode->record, name, true));
    std::string key = format::xattr_key(inode->key, name);
    if (flags != fs::XattrFlags::kSet) {
      ROSS_TRY(const auto old, core_.store->get(key));
      if (flags == fs::XattrFlags::kCreate && old) return fail(EEXIST);
      if (flags == fs::XattrFlags::kReplace && !old) return fail(ENODATA);
    }
    core_.store->put(std::move(key), std::string(value));
    inode->record.flags |= format::InodeRecord::kHasXattrs;
    touch(*inode, false);
    core_.remember(change_id, 0);
    return true;
  };
  auto done = set();
  co_return done ? Status() : std::move(done).error();
}

fs::AsyncStatus Container::removexattr(const fs::Credential& cred, fs::NodeId node, std::string_view name) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) {
    if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
  }
  const auto remove = [&]() -> Result<bool> {
    ROSS_OK(check_xattr_name(name));
    ROSS_TRY(Inode* const inode, find(node));
    ROSS_OK(may_use(cred, inode->record, name, true));
    std::string key = format::xattr_key(inode->key, name);
    ROSS_TRY(const auto old, core_.store->get(key));
    if (!old) return fail(ENODATA);
    core_.store->erase(std::move(key));
    touch(*inode, false);
    core_.remember(change_id, 0);
    return true;
  };
  auto done = remove();
  co_return done ? Status() : std::move(done).error();
}

}  // namespace ross::engine
