#include "model_file_system.h"

#include <sys/stat.h>
#include <unistd.h>

#include "permission.h"

namespace ross::model {

using fs::Attr;
using fs::Credential;
using fs::FileId;
using fs::NodeId;

namespace {

constexpr std::int64_t kDayNs = 24LL * 3600 * 1'000'000'000;

Result<void> check_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos) {
    return fail(EINVAL);
  }
  if (name.size() > fs::kNameBytesMax) return fail(ENAMETOOLONG);
  return {};
}

}  // namespace

ModelFileSystem::ModelFileSystem(Clock& clock, ModelState state, ModelOptions options)
    : clock_(clock), options_(options), state_(std::move(state)) {
  state_.drop_nameless();
}

ModelState ModelFileSystem::state() const {
  const std::lock_guard lock(mutex_);
  ModelState copy = state_;
  copy.drop_nameless();
  return copy;
}

fs::AsyncStatus ModelFileSystem::sync() { return fs::AsyncStatus::ready(Status()); }

fs::Async<fs::StatFs> ModelFileSystem::statfs() {
  return locked([&]() -> Result<fs::StatFs> {
    fs::StatFs all;
    all.total_bytes = options_.capacity_bytes;
    all.free_bytes = options_.capacity_bytes - state_.used_bytes();
    all.nodes_used = state_.nodes().size();
    return all;
  });
}

Attr ModelFileSystem::attr_of(const Node& node) {
  Attr attr = node.attr;
  attr.allocated_bytes = node.content.allocated_bytes();
  return attr;
}

Result<Node*> ModelFileSystem::node_at(NodeId id) {
  Node* const node = state_.edit(id);
  if (node == nullptr) return fail(ESTALE);
  return node;
}

Result<ModelFileSystem::OpenFile*> ModelFileSystem::file_at(FileId id) {
  const auto found = open_files_.find(id);
  if (found == open_files_.end()) return fail(EBADF);
  return &found->second;
}

Result<Node*> ModelFileSystem::directory_at(const Credential& cred, NodeId id, std::string_view name) {
  ROSS_OK(check_name(name));
  ROSS_TRY(Node * directory, node_at(id));
  if (!S_ISDIR(directory->attr.mode)) return fail(ENOTDIR);
  if (!may(cred, directory->attr, X_OK)) return fail(EACCES);
  return directory;
}

ModelFileSystem::Done ModelFileSystem::may_add(const Credential& cred, const Node& directory) {
  if (directory.attr.links == 0) return fail(ENOENT);
  if (!may(cred, directory.attr, W_OK | X_OK)) return fail(EACCES);
  return {};
}

ModelFileSystem::Done ModelFileSystem::may_take(const Credential& cred, const Node& directory, const Node& node) {
  if (!may(cred, directory.attr, W_OK | X_OK)) return fail(EACCES);
  if (!may_remove(cred, directory.attr, node.attr)) return fail(EPERM);
  return {};
}

NodeId ModelFileSystem::entry_of(const Node& directory, std::string_view name) {
  const auto entry = directory.entries.find(name);
  return entry == directory.entries.end() ? NodeId(0) : entry->second.node;
}

Node ModelFileSystem::fresh(const Credential& cred, const Node& directory, std::uint32_t mode) const {
  Node node;
  Attr& attr = node.attr;
  attr.mode = mode;
  attr.links = S_ISDIR(mode) ? 2 : 1;
  attr.uid = cred.uid;
  attr.gid = cred.gid;
  if ((directory.attr.mode & S_ISGID) != 0) {
    attr.gid = directory.attr.gid;
    if (S_ISDIR(mode)) attr.mode |= S_ISGID;
    // Nobody makes a program that runs with the rights of a group he is not in.
    const bool outsider = cred.uid != 0 && !cred.in_group(attr.gid);
    if (S_ISREG(mode) && outsider && (mode & S_IXGRP) != 0) attr.mode &= ~std::uint32_t{S_ISGID};
  }
  attr.atime_ns = attr.mtime_ns = attr.ctime_ns = attr.btime_ns = now();
  return node;
}

void ModelFileSystem::changed(Node& node, bool content) {
  node.attr.ctime_ns = now();
  if (content) node.attr.mtime_ns = node.attr.ctime_ns;
}

void ModelFileSystem::drop_link(Node& node) {
  changed(node, false);
  node.attr.links -= S_ISDIR(node.attr.mode) ? 2 : 1;
  free_if_unused(node.attr.node);
}

void ModelFileSystem::free_if_unused(NodeId id) {
  const Node* const node = state_.find(id);
  if (node->attr.links == 0 && !open_counts_.contains(id)) state_.erase(id);
}

void ModelFileSystem::touch_atime(NodeId id) {
  const Attr& seen = state_.find(id)->attr;
  const bool stale =
      seen.atime_ns <= seen.mtime_ns || seen.atime_ns <= seen.ctime_ns || seen.atime_ns + kDayNs <= now();
  if (stale) state_.edit(id)->attr.atime_ns = now();
}

}  // namespace ross::model
