// Opening and closing: permission at the door, and files that live on without a name.
#include <sys/stat.h>
#include <unistd.h>

#include "model_file_system.h"
#include "permission.h"

namespace ross::model {

using fs::Credential;
using fs::FileId;
using fs::NodeId;
using fs::Opened;
using fs::OpenFlags;

fs::Async<Opened> ModelFileSystem::open(const Credential& cred, NodeId node, OpenFlags flags) {
  return locked([&]() -> Result<Opened> { return open_node(cred, node, flags); });
}

Result<Opened> ModelFileSystem::open_node(const Credential& cred, NodeId id, OpenFlags flags) {
  ROSS_TRY(Node * node, node_at(id));
  if (!flags.read && !flags.write) return fail(EINVAL);
  const bool changes = flags.write || flags.truncate;
  if (S_ISLNK(node->attr.mode)) return fail(ELOOP);
  if (S_ISDIR(node->attr.mode) && changes) return fail(EISDIR);
  if (!S_ISDIR(node->attr.mode) && !S_ISREG(node->attr.mode)) return fail(ENXIO);
  if (!flags.again && !may(cred, node->attr, (flags.read ? R_OK : 0) | (changes ? W_OK : 0))) return fail(EACCES);
  if (flags.truncate) {
    ROSS_OK(resize(*node, 0));
    if (cred.uid != 0) node->attr.mode = without_set_id(node->attr.mode);
    changed(*node, true);
  }
  return opened(cred, id, flags, false);
}

Opened ModelFileSystem::opened(const Credential& cred, NodeId node, OpenFlags flags, bool created) {
  const FileId file(next_file_++);
  open_files_.emplace(file, OpenFile{node, flags, cred.uid == 0});
  ++open_counts_[node];
  return {.file = file, .attr = attr_of(*state_.find(node)), .created = created};
}

fs::Async<Opened> ModelFileSystem::create(const Credential& cred, NodeId parent, std::string_view name,
                                          std::uint32_t mode, OpenFlags flags) {
  return locked([&]() -> Result<Opened> {
    ROSS_TRY(const Node* directory, directory_at(cred, parent, name));
    if (!flags.read && !flags.write) return fail(EINVAL);
    const NodeId there = entry_of(*directory, name);
    if (there.value != 0) {
      if (flags.exclusive) return fail(EEXIST);
      if (S_ISDIR(state_.find(there)->attr.mode)) return fail(EISDIR);
      return open_node(cred, there, flags);
    }
    // Who makes a file may use it as he asked, whatever mode he gives it.
    ROSS_TRY(const fs::Attr made, make(cred, parent, name, fresh(cred, *directory, S_IFREG | (mode & 07777))));
    return opened(cred, made.node, flags, true);
  });
}

fs::Async<Opened> ModelFileSystem::create_unnamed(const Credential& cred, NodeId parent, std::uint32_t mode) {
  return locked([&]() -> Result<Opened> {
    ROSS_TRY(const Node* directory, node_at(parent));
    if (!S_ISDIR(directory->attr.mode)) return fail(ENOTDIR);
    ROSS_OK(may_add(cred, *directory));
    Node node = fresh(cred, *directory, S_IFREG | (mode & 07777));
    node.attr.links = 0;
    const NodeId made = state_.add(std::move(node)).attr.node;
    return opened(cred, made, {.read = true, .write = true}, true);
  });
}

fs::AsyncStatus ModelFileSystem::close(FileId file) {
  return locked([&]() -> Done {
    ROSS_TRY(const OpenFile* open, file_at(file));
    const NodeId node = open->node;
    open_files_.erase(file);
    if (--open_counts_[node] != 0) return {};
    open_counts_.erase(node);
    locks_.erase(node);
    lock_queue_.notify_all();
    free_if_unused(node);
    return {};
  });
}

fs::AsyncStatus ModelFileSystem::fsync(FileId file, bool /*data_only*/) {
  return locked([&]() -> Done {
    ROSS_OK(file_at(file));
    return {};
  });
}

}  // namespace ross::model
