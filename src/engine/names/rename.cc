// rename: replace, no-replace, exchange; one transaction, so it is atomic for everybody and across a crash.
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

fs::AsyncStatus Container::rename(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                                  fs::NodeId new_parent, std::string_view new_name, fs::RenameFlags flags) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) {
    if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
  }
  // Whether moving node under directory would put it below itself.
  const auto is_inside = [this](const Inode& directory, const Inode& node) -> Result<bool> {
    const Inode* at = &directory;
    for (std::uint64_t steps = 0; at != &node; ++steps) {
      if (steps > state_.record.used_nodes) return fail(EIO, "directories hang in a ring: run ross fsck on the pool");
      if (at->key.node == fs::kRootNode) return false;
      ROSS_TRY(at, find(fs::NodeId(at->record.parent)));
    }
    return true;
  };
  // A directory that changes its parent needs to be written itself: its ".." changes.
  const auto may_move = [&cred](const Inode& node, const Inode& from, const Inode& to) {
    return node.is_directory() && &from != &to ? may(cred, node.record, W_OK) : Status();
  };
  const auto hang = [this](Inode& node, Inode& from, Inode& to) {
    if (node.is_directory() && &from != &to) {
      --from.record.links;
      ++to.record.links;
      node.record.parent = to.key.node.value;
    }
    touch(node, false);
  };
  const auto move = [&]() -> Result<Inode*> {
    ROSS_TRY(const NamePlace from, find_place(cred, parent, name));
    ROSS_TRY(const NamePlace to, find_place(cred, new_parent, new_name));
    if (!from.entry) return fail(ENOENT);
    Inode& from_directory = *from.directory;
    Inode& to_directory = *to.directory;
    ROSS_TRY(Inode* const node, find(from.entry->node));
    Inode* target = nullptr;
    if (to.entry) {
      ROSS_TRY(target, find(to.entry->node));
    }
    if (to_directory.record.links == 0) return fail(ENOENT);
    if (flags == fs::RenameFlags::kNoReplace && target != nullptr) return fail(EEXIST);
    if (flags == fs::RenameFlags::kExchange && target == nullptr) return fail(ENOENT);
    const bool across = &from_directory != &to_directory;
    if (across && node->is_directory()) {
      ROSS_TRY(const bool inside, is_inside(to_directory, *node));
      if (inside) return fail(EINVAL);
    }
    if (across && target != nullptr && target->is_directory()) {
      ROSS_TRY(const bool inside, is_inside(from_directory, *target));
      if (inside) return fail(flags == fs::RenameFlags::kExchange ? EINVAL : ENOTEMPTY);
    }
    if (node == target) return nullptr;  // two names of one file: nothing to do, and nothing to permit
    ROSS_OK(may_remove(cred, from_directory, *node));
    ROSS_OK(may(cred, to_directory.record, W_OK | X_OK));
    ROSS_OK(may_move(*node, from_directory, to_directory));
    if (target != nullptr) ROSS_OK(may_remove(cred, to_directory, *target));
    const format::EntryRecord moved = *from.entry;
    if (flags == fs::RenameFlags::kExchange) {
      ROSS_OK(may_move(*target, to_directory, from_directory));
      const format::EntryRecord other = *to.entry;
      erase_entry(from_directory, name);
      erase_entry(to_directory, new_name);
      put_entry(from_directory, name, other);
      put_entry(to_directory, new_name, moved);
      hang(*node, from_directory, to_directory);
      hang(*target, to_directory, from_directory);
      return nullptr;
    }
    if (target != nullptr) {
      if (target->is_directory() && !node->is_directory()) return fail(EISDIR);
      if (!target->is_directory() && node->is_directory()) return fail(ENOTDIR);
      if (target->is_directory() && target->record.entries > 0) return fail(ENOTEMPTY);
    } else if (node->is_directory() && &from_directory != &to_directory && to_directory.record.links >= fs::kLinksMax) {
      return fail(EMLINK);
    }
    erase_entry(from_directory, name);
    Inode* long_one = nullptr;
    if (target != nullptr) {
      erase_entry(to_directory, new_name);
      if (target->is_directory()) {
        --to_directory.record.links;
        target->record.links = 1;
      }
      ROSS_TRY(long_one, drop_link(*target));
    }
    put_entry(to_directory, new_name, moved);
    hang(*node, from_directory, to_directory);
    return long_one;
  };
  auto moved = move();
  if (!moved) co_return std::move(moved).error();
  core_.remember(change_id, 0);
  if (*moved != nullptr) co_return co_await reclaim(lock, **moved);
  co_return Status();
}

}  // namespace ross::engine
