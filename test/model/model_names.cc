// Names: making, finding, listing and taking away entries.
#include <sys/stat.h>
#include <unistd.h>

#include "model_file_system.h"
#include "permission.h"

namespace ross::model {

using fs::Attr;
using fs::Credential;
using fs::NodeId;

fs::Async<Attr> ModelFileSystem::lookup(const Credential& cred, NodeId parent, std::string_view name) {
  return locked([&]() -> Result<Attr> {
    ROSS_TRY(const Node* directory, directory_at(cred, parent, name));
    const NodeId found = entry_of(*directory, name);
    if (found.value == 0) return fail(ENOENT);
    return attr_of(*state_.find(found));
  });
}

fs::Async<NodeId> ModelFileSystem::parent(NodeId node) {
  return locked([&]() -> Result<NodeId> {
    ROSS_TRY(const Node* directory, node_at(node));
    if (!S_ISDIR(directory->attr.mode)) return fail(ENOTDIR);
    return directory->parent;
  });
}

Result<Attr> ModelFileSystem::make(const Credential& cred, NodeId parent, std::string_view name, Node node) {
  ROSS_TRY(Node * directory, directory_at(cred, parent, name));
  if (entry_of(*directory, name).value != 0) return fail(EEXIST);
  ROSS_OK(may_add(cred, *directory));
  const bool is_directory = S_ISDIR(node.attr.mode);
  if (is_directory && directory->attr.links >= fs::kLinksMax) return fail(EMLINK);
  node.parent = parent;
  const Node& made = state_.add(std::move(node));
  directory->add_entry(name, made.attr.node);
  if (is_directory) ++directory->attr.links;
  changed(*directory, true);
  return attr_of(made);
}

fs::Async<Attr> ModelFileSystem::mkdir(const Credential& cred, NodeId parent, std::string_view name,
                                       std::uint32_t mode) {
  return locked([&]() -> Result<Attr> {
    ROSS_TRY(const Node* directory, directory_at(cred, parent, name));
    // Set-gid comes from the directory above, not from the caller.
    return make(cred, parent, name, fresh(cred, *directory, S_IFDIR | (mode & 01777)));
  });
}

fs::Async<Attr> ModelFileSystem::mknod(const Credential& cred, NodeId parent, std::string_view name, std::uint32_t mode,
                                       std::uint64_t rdev) {
  return locked([&]() -> Result<Attr> {
    const std::uint32_t type = (mode & S_IFMT) == 0 ? S_IFREG : mode & S_IFMT;
    const bool device = S_ISCHR(type) || S_ISBLK(type);
    if (S_ISDIR(type)) return fail(EPERM);
    if (!device && !S_ISREG(type) && !S_ISFIFO(type) && !S_ISSOCK(type)) return fail(EINVAL);
    ROSS_TRY(const Node* directory, directory_at(cred, parent, name));
    Node node = fresh(cred, *directory, type | (mode & 07777));
    if (device && entry_of(*directory, name).value == 0 && cred.uid != 0) return fail(EPERM);
    if (device) node.attr.rdev = rdev;
    return make(cred, parent, name, std::move(node));
  });
}

fs::Async<Attr> ModelFileSystem::symlink(const Credential& cred, NodeId parent, std::string_view name,
                                         std::string_view target) {
  return locked([&]() -> Result<Attr> {
    if (target.empty()) return fail(ENOENT);
    if (target.size() > fs::kSymlinkBytesMax) return fail(ENAMETOOLONG);
    if (target.find('\0') != target.npos) return fail(EINVAL);
    ROSS_TRY(const Node* directory, directory_at(cred, parent, name));
    Node node = fresh(cred, *directory, S_IFLNK | 0777);
    node.target = target;
    node.attr.size_bytes = target.size();
    return make(cred, parent, name, std::move(node));
  });
}

fs::Async<std::string> ModelFileSystem::readlink(NodeId node) {
  return locked([&]() -> Result<std::string> {
    ROSS_TRY(const Node* link, node_at(node));
    if (!S_ISLNK(link->attr.mode)) return fail(EINVAL);
    touch_atime(node);
    return link->target;
  });
}

fs::Async<Attr> ModelFileSystem::link(const Credential& cred, NodeId node, NodeId parent, std::string_view name) {
  return locked([&]() -> Result<Attr> {
    ROSS_TRY(Node * directory, directory_at(cred, parent, name));
    ROSS_TRY(Node * linked, node_at(node));
    if (entry_of(*directory, name).value != 0) return fail(EEXIST);
    ROSS_OK(may_add(cred, *directory));
    if (S_ISDIR(linked->attr.mode)) return fail(EPERM);
    if (linked->attr.links == 0) return fail(ENOENT);
    if (linked->attr.links >= fs::kLinksMax) return fail(EMLINK);
    ++linked->attr.links;
    changed(*linked, false);
    directory->add_entry(name, node);
    changed(*directory, true);
    return attr_of(*linked);
  });
}

fs::AsyncStatus ModelFileSystem::unlink(const Credential& cred, NodeId parent, std::string_view name) {
  return locked([&]() -> Done {
    ROSS_TRY(Node * directory, directory_at(cred, parent, name));
    Node* const node = state_.edit(entry_of(*directory, name));
    if (node == nullptr) return fail(ENOENT);
    ROSS_OK(may_take(cred, *directory, *node));
    if (S_ISDIR(node->attr.mode)) return fail(EISDIR);
    directory->remove_entry(name);
    changed(*directory, true);
    drop_link(*node);
    return {};
  });
}

fs::AsyncStatus ModelFileSystem::rmdir(const Credential& cred, NodeId parent, std::string_view name) {
  return locked([&]() -> Done {
    ROSS_TRY(Node * directory, directory_at(cred, parent, name));
    Node* const node = state_.edit(entry_of(*directory, name));
    if (node == nullptr) return fail(ENOENT);
    ROSS_OK(may_take(cred, *directory, *node));
    if (!S_ISDIR(node->attr.mode)) return fail(ENOTDIR);
    if (!node->entries.empty()) return fail(ENOTEMPTY);
    directory->remove_entry(name);
    --directory->attr.links;
    changed(*directory, true);
    drop_link(*node);
    return {};
  });
}

fs::Async<std::vector<fs::DirEntry>> ModelFileSystem::readdir(const Credential& cred, NodeId directory,
                                                              const fs::ReaddirOptions& options) {
  return locked([&]() -> Result<std::vector<fs::DirEntry>> {
    ROSS_TRY(const Node* listed, node_at(directory));
    if (!S_ISDIR(listed->attr.mode)) return fail(ENOTDIR);
    if (!may(cred, listed->attr, R_OK)) return fail(EACCES);
    if (options.entries_max == 0) return fail(EINVAL);
    touch_atime(directory);
    std::vector<fs::DirEntry> entries;
    for (auto at = listed->by_cursor.upper_bound(options.cursor); at != listed->by_cursor.end(); ++at) {
      if (entries.size() == options.entries_max) break;
      const Node& node = *state_.find(entry_of(*listed, at->second));
      fs::DirEntry entry{.name = at->second, .node = node.attr.node, .type = node.attr.mode & S_IFMT};
      entry.cursor = at->first;
      if (options.with_attr) entry.attr = attr_of(node);
      entries.push_back(std::move(entry));
    }
    return entries;
  });
}

}  // namespace ross::model
