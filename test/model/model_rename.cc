// Rename and publish: the two calls that replace what a name holds.
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "model_file_system.h"
#include "permission.h"

namespace ross::model {

using fs::Credential;
using fs::NodeId;
using fs::RenameFlags;

fs::AsyncStatus ModelFileSystem::rename(const Credential& cred, NodeId parent, std::string_view name, NodeId new_parent,
                                        std::string_view new_name, RenameFlags flags) {
  return locked([&]() -> Done { return rename_locked(cred, parent, name, new_parent, new_name, flags); });
}

ModelFileSystem::Done ModelFileSystem::rename_locked(const Credential& cred, NodeId parent, std::string_view name,
                                                     NodeId new_parent, std::string_view new_name, RenameFlags flags) {
  ROSS_TRY(Node * from, directory_at(cred, parent, name));
  ROSS_TRY(Node * to, directory_at(cred, new_parent, new_name));
  const NodeId moved_id = entry_of(*from, name);
  const NodeId target_id = entry_of(*to, new_name);
  const bool exchange = flags == RenameFlags::kExchange;
  if (moved_id.value == 0) return fail(ENOENT);
  if (exchange && target_id.value == 0) return fail(ENOENT);
  if (flags == RenameFlags::kNoReplace && target_id.value != 0) return fail(EEXIST);
  // A directory cannot come to lie in itself; what holds the source can be no target.
  if (holds(moved_id, new_parent)) return fail(EINVAL);
  if (target_id.value != 0 && holds(target_id, parent)) return fail(exchange ? EINVAL : ENOTEMPTY);
  if (moved_id == target_id) return {};

  Node* const moved = state_.edit(moved_id);
  Node* const target = target_id.value == 0 ? nullptr : state_.edit(target_id);
  ROSS_OK(may_take(cred, *from, *moved));
  ROSS_OK(may_add(cred, *to));
  // Moving a directory elsewhere writes its "..".
  const bool across = parent != new_parent;
  if (across && S_ISDIR(moved->attr.mode) && !may(cred, moved->attr, W_OK)) return fail(EACCES);
  if (exchange) {
    ROSS_OK(may_take(cred, *to, *target));
    if (across && S_ISDIR(target->attr.mode) && !may(cred, target->attr, W_OK)) return fail(EACCES);
  } else if (target != nullptr) {
    ROSS_OK(may_replace(cred, *to, *moved, *target));
  }
  const bool more_links = across && S_ISDIR(moved->attr.mode) && (target == nullptr || !S_ISDIR(target->attr.mode));
  if (more_links && to->attr.links >= fs::kLinksMax) return fail(EMLINK);
  const bool more_back = exchange && across && S_ISDIR(target->attr.mode) && !S_ISDIR(moved->attr.mode);
  if (more_back && from->attr.links >= fs::kLinksMax) return fail(EMLINK);

  if (exchange) {
    from->add_entry(name, target_id);
    to->add_entry(new_name, moved_id);
    set_parent(target_id, new_parent, parent);
    changed(*target, false);
  } else {
    from->remove_entry(name);
    replace_entry(new_parent, new_name, moved_id, target_id);
  }
  set_parent(moved_id, parent, new_parent);
  changed(*moved, false);
  changed(*from, true);
  changed(*to, true);
  return {};
}

fs::AsyncStatus ModelFileSystem::publish(const Credential& cred, fs::FileId file, NodeId parent,
                                         std::string_view name) {
  return locked([&]() -> Done {
    ROSS_TRY(const OpenFile* open, file_at(file));
    ROSS_TRY(Node * directory, directory_at(cred, parent, name));
    Node* const node = state_.edit(open->node);
    if (node->attr.links != 0 || !S_ISREG(node->attr.mode)) return fail(EINVAL);
    const NodeId target = entry_of(*directory, name);
    ROSS_OK(may_add(cred, *directory));
    if (target.value != 0) ROSS_OK(may_replace(cred, *directory, *node, *state_.find(target)));
    node->attr.links = 1;
    changed(*node, false);
    replace_entry(parent, name, open->node, target);
    changed(*directory, true);
    return {};
  });
}

ModelFileSystem::Done ModelFileSystem::may_replace(const Credential& cred, const Node& directory, const Node& moved,
                                                   const Node& target) {
  ROSS_OK(may_take(cred, directory, target));
  if (S_ISDIR(target.attr.mode) && !S_ISDIR(moved.attr.mode)) return fail(EISDIR);
  if (!S_ISDIR(target.attr.mode) && S_ISDIR(moved.attr.mode)) return fail(ENOTDIR);
  if (!target.entries.empty()) return fail(ENOTEMPTY);
  return {};
}

// Makes name in directory mean moved, dropping what it meant.
void ModelFileSystem::replace_entry(NodeId directory, std::string_view name, NodeId moved, NodeId target) {
  Node* const to = state_.edit(directory);
  to->add_entry(name, moved);
  if (target.value == 0) return;
  Node* const dropped = state_.edit(target);
  if (S_ISDIR(dropped->attr.mode)) --to->attr.links;
  drop_link(*dropped);
}

// What a directory's move between directories does to their link counts and to its "..".
void ModelFileSystem::set_parent(NodeId moved, NodeId from, NodeId to) {
  Node* const node = state_.edit(moved);
  if (!S_ISDIR(node->attr.mode)) return;
  --state_.edit(from)->attr.links;
  ++state_.edit(to)->attr.links;
  node->parent = to;
}

bool ModelFileSystem::holds(NodeId ancestor, NodeId node) const {
  while (node != ancestor && node != fs::kRootNode) {
    const Node* const found = state_.find(node);
    if (found == nullptr) return false;  // a directory that was removed while open lies nowhere
    node = found->parent;
  }
  return node == ancestor;
}

}  // namespace ross::model
