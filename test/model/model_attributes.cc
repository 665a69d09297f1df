// Attributes: who may change what, and what a change drags along.
#include <sys/stat.h>
#include <unistd.h>

#include "model_file_system.h"
#include "permission.h"

namespace ross::model {

using fs::Attr;
using fs::Credential;
using fs::NodeId;
using fs::SetAttr;

namespace {

Result<void> may_change_owner(const Credential& cred, const Attr& attr, const SetAttr& change) {
  if (cred.uid == 0) return {};
  if (change.uid && (*change.uid != attr.uid || cred.uid != attr.uid)) return fail(EPERM);
  const bool own_group = change.gid && (*change.gid == attr.gid || cred.in_group(*change.gid));
  if (change.gid && (cred.uid != attr.uid || !own_group)) return fail(EPERM);
  return {};
}

Result<void> may_change_times(const Credential& cred, const Attr& attr, const SetAttr& change) {
  if (owns(cred, attr)) return {};
  if (change.atime_ns || change.mtime_ns) return fail(EPERM);
  if ((change.atime_now || change.mtime_now) && !may(cred, attr, W_OK)) return fail(EACCES);
  return {};
}

void apply_owner_and_mode(const Credential& cred, Attr& attr, const SetAttr& change) {
  if (change.uid) attr.uid = *change.uid;
  if (change.gid) attr.gid = *change.gid;
  if ((change.uid || change.gid) && cred.uid != 0 && !S_ISDIR(attr.mode)) attr.mode = without_set_id(attr.mode);
  if (!change.mode) return;
  attr.mode = (attr.mode & S_IFMT) | (*change.mode & 07777);
  if (cred.uid != 0 && !cred.in_group(attr.gid)) attr.mode &= ~std::uint32_t{S_ISGID};
}

}  // namespace

fs::Async<Attr> ModelFileSystem::getattr(NodeId node) {
  return locked([&]() -> Result<Attr> {
    const Node* const found = state_.find(node);
    if (found == nullptr) return fail(ESTALE);
    return attr_of(*found);
  });
}

fs::AsyncStatus ModelFileSystem::access(const Credential& cred, NodeId node, int mask) {
  return locked([&]() -> Done {
    const Node* const found = state_.find(node);
    if (found == nullptr) return fail(ESTALE);
    if ((mask & ~(R_OK | W_OK | X_OK)) != 0) return fail(EINVAL);
    if (!may(cred, found->attr, mask)) return fail(EACCES);
    return {};
  });
}

fs::Async<Attr> ModelFileSystem::setattr(const Credential& cred, NodeId node, const SetAttr& change,
                                         std::optional<fs::FileId> file) {
  return locked([&]() -> Result<Attr> { return setattr_locked(cred, node, change, file); });
}

Result<Attr> ModelFileSystem::setattr_locked(const Credential& cred, NodeId id, const SetAttr& change,
                                             std::optional<fs::FileId> file) {
  ROSS_TRY(Node * node, node_at(id));
  Attr& attr = node->attr;
  if (change.mode && S_ISLNK(attr.mode)) return fail(EOPNOTSUPP);
  if (change.mode && !owns(cred, attr)) return fail(EPERM);
  ROSS_OK(may_change_owner(cred, attr, change));
  ROSS_OK(may_change_times(cred, attr, change));
  if (change.size_bytes) {
    if (S_ISDIR(attr.mode)) return fail(EISDIR);
    if (!S_ISREG(attr.mode)) return fail(EINVAL);
    if (file) {
      ROSS_TRY(const OpenFile* open, file_at(*file));
      if (open->node != id) return fail(EBADF);
      if (!open->flags.write) return fail(EINVAL);
    } else if (!may(cred, attr, W_OK)) {
      return fail(EACCES);
    }
    if (*change.size_bytes > fs::kFileBytesMax) return fail(EFBIG);
  }

  const bool owner_or_mode = change.mode || change.uid || change.gid;
  const bool times = change.atime_ns || change.mtime_ns || change.atime_now || change.mtime_now;
  if (!owner_or_mode && !times && !change.size_bytes) return attr_of(*node);
  if (change.size_bytes) {
    ROSS_OK(resize(*node, *change.size_bytes));
    if (cred.uid != 0) attr.mode = without_set_id(attr.mode);
  }
  apply_owner_and_mode(cred, attr, change);
  changed(*node, change.size_bytes.has_value());
  if (change.atime_now) attr.atime_ns = attr.ctime_ns;
  if (change.mtime_now) attr.mtime_ns = attr.ctime_ns;
  if (change.atime_ns) attr.atime_ns = *change.atime_ns;
  if (change.mtime_ns) attr.mtime_ns = *change.mtime_ns;
  return attr_of(*node);
}

ModelFileSystem::Done ModelFileSystem::resize(Node& node, std::uint64_t size_bytes) {
  if (size_bytes > fs::kFileBytesMax) return fail(EFBIG);
  if (size_bytes < node.attr.size_bytes) {
    state_.change_content(node, [&](FileContent& content) { content.cut(size_bytes); });
  }
  node.attr.size_bytes = size_bytes;
  return {};
}

}  // namespace ross::model
