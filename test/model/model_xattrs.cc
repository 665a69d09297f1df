// Extended attributes: the rules of the name spaces.
#include <sys/stat.h>
#include <unistd.h>

#include "model_file_system.h"
#include "permission.h"

namespace ross::model {

using fs::Attr;
using fs::Credential;
using fs::NodeId;

namespace {

constexpr std::string_view kUser = "user.";
constexpr std::string_view kTrusted = "trusted.";
constexpr std::string_view kSecurity = "security.";

Result<void> check_xattr_name(std::string_view name) {
  if (name.empty() || name.size() > fs::kXattrNameBytesMax) return fail(ERANGE);
  if (name.find('\0') != name.npos) return fail(EINVAL);
  for (const std::string_view space : {kUser, kTrusted, kSecurity}) {
    if (name.starts_with(space)) return name == space ? Result<void>(fail(EINVAL)) : Result<void>();
  }
  return fail(EOPNOTSUPP);  // system. too: there are no ACLs here
}

bool holds_user_xattrs(const Attr& attr) { return S_ISREG(attr.mode) || S_ISDIR(attr.mode); }

Result<void> may_read_xattr(const Credential& cred, const Attr& attr, std::string_view name) {
  if (name.starts_with(kTrusted) && cred.uid != 0) return fail(ENODATA);
  if (name.starts_with(kUser) && !holds_user_xattrs(attr)) return fail(ENODATA);
  if (name.starts_with(kUser) && !may(cred, attr, R_OK)) return fail(EACCES);
  return {};
}

Result<void> may_write_xattr(const Credential& cred, const Attr& attr, std::string_view name) {
  if (!name.starts_with(kUser)) return cred.uid == 0 ? Result<void>() : Result<void>(fail(EPERM));
  if (!holds_user_xattrs(attr)) return fail(EPERM);
  if (S_ISDIR(attr.mode) && (attr.mode & S_ISVTX) != 0 && !owns(cred, attr)) return fail(EPERM);
  if (!may(cred, attr, W_OK)) return fail(EACCES);
  return {};
}

}  // namespace

fs::Async<std::string> ModelFileSystem::getxattr(const Credential& cred, NodeId node, std::string_view name) {
  return locked([&]() -> Result<std::string> {
    ROSS_OK(check_xattr_name(name));
    ROSS_TRY(const Node* found, node_at(node));
    ROSS_OK(may_read_xattr(cred, found->attr, name));
    const auto value = found->xattrs.find(name);
    if (value == found->xattrs.end()) return fail(ENODATA);
    return value->second;
  });
}

fs::AsyncStatus ModelFileSystem::setxattr(const Credential& cred, NodeId node, std::string_view name,
                                          std::string_view value, fs::XattrFlags flags) {
  return locked([&]() -> Done {
    ROSS_OK(check_xattr_name(name));
    if (value.size() > fs::kXattrValueBytesMax) return fail(E2BIG);
    ROSS_TRY(Node * found, node_at(node));
    ROSS_OK(may_write_xattr(cred, found->attr, name));
    const bool there = found->xattrs.contains(name);
    if (flags == fs::XattrFlags::kCreate && there) return fail(EEXIST);
    if (flags == fs::XattrFlags::kReplace && !there) return fail(ENODATA);
    found->xattrs.insert_or_assign(std::string(name), std::string(value));
    changed(*found, false);
    return {};
  });
}

fs::Async<std::vector<std::string>> ModelFileSystem::listxattr(const Credential& cred, NodeId node) {
  return locked([&]() -> Result<std::vector<std::string>> {
    ROSS_TRY(const Node* found, node_at(node));
    std::vector<std::string> names;
    for (const auto& [name, value] : found->xattrs) {
      if (cred.uid == 0 || !name.starts_with(kTrusted)) names.push_back(name);
    }
    return names;
  });
}

fs::AsyncStatus ModelFileSystem::removexattr(const Credential& cred, NodeId node, std::string_view name) {
  return locked([&]() -> Done {
    ROSS_OK(check_xattr_name(name));
    ROSS_TRY(Node * found, node_at(node));
    ROSS_OK(may_write_xattr(cred, found->attr, name));
    const auto value = found->xattrs.find(name);
    if (value == found->xattrs.end()) return fail(ENODATA);
    found->xattrs.erase(value);
    changed(*found, false);
    return {};
  });
}

}  // namespace ross::model
