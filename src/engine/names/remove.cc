// unlink, rmdir, and how a node goes when its last name and its last open file are gone.
//
// A node that loses its last name while open becomes an orphan: a record says so, and the last close, or the next open of the pool
// after a crash, deletes it. Long files are freed in slices, so that no one waits long for the mutex: the orphan record stays until
// the last slice.
#include <sys/stat.h>

#include "base/log.h"
#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

using format::KeyKind;

Status Container::may_remove(const fs::Credential& cred, const Inode& directory, const Inode& node) const {
  ROSS_STATUS(may(cred, directory.record, W_OK | X_OK));
  const bool sticky = (directory.record.mode & S_ISVTX) != 0;
  if (sticky && !owns(cred, directory.record) && !owns(cred, node.record)) return Status(EPERM);
  return {};
}

Result<Inode*> Container::delete_node(Inode& node) {
  if (node.is_regular() && node.record.segments_end > 0) {
    ROSS_TRY(const bool done, free_segments(node, 0, kSegmentsPerSlice));
    if (!done) {
      set_orphan(node, true);
      return &node;
    }
  }
  if (S_ISLNK(node.record.mode)) core_.store->erase(format::node_key(KeyKind::kSymlink, node.key));
  if ((node.record.flags & format::InodeRecord::kHasXattrs) != 0) {
    std::vector<std::string> keys;
    ROSS_OK(core_.store->scan(format::node_key(KeyKind::kXattr, node.key), {}, [&](std::string_view key, auto) {
      keys.emplace_back(key);
      return true;
    }));
    for (std::string& key : keys) core_.store->erase(std::move(key));
  }
  --state_.record.used_nodes;
  core_.mark_dirty(state_);
  core_.nodes.mark_gone(node);
  return nullptr;
}

Result<Inode*> Container::drop_link(Inode& node) {
  --node.record.links;
  touch(node, false);
  if (node.record.links > 0) return nullptr;
  if (node.opens > 0 || node.pins > 0 || core_.holding_orphans) {
    set_orphan(node, true);
    return nullptr;
  }
  auto rest = delete_node(node);
  if (rest) return rest;
  // The name is gone, so this is no failure of the caller's: what cannot be freed now waits for fsck, or for the next open.
  log().error("freeing a deleted file failed: {}", rest.error().message());
  set_orphan(node, true);
  return nullptr;
}

// The record of an orphan is removed with the node itself.
runtime::Task<Status> Container::reclaim(Lock& lock, Inode& node) {
  for (;;) {
    if (node.gone) co_return Status();
    auto rest = delete_node(node);
    if (!rest) co_return std::move(rest).error();
    if (*rest == nullptr) {
      set_orphan(node, false);
      co_return Status();
    }
    core_.nodes.pin(node);
    Status status;
    if (core_.admits()) {
      lock.unlock();
      lock.lock();  // lets the others in
    } else {
      status = co_await core_.admit(lock);
    }
    core_.nodes.unpin(node);
    if (!status.ok()) co_return status;
  }
}

fs::AsyncStatus Container::unlink(const fs::Credential& cred, fs::NodeId parent, std::string_view name) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) {
    if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
  }
  const auto remove = [&]() -> Result<Inode*> {
    ROSS_TRY(const NamePlace place, find_place(cred, parent, name));
    if (!place.entry) return fail(ENOENT);
    ROSS_TRY(Inode* const node, find(place.entry->node));
    ROSS_OK(may_remove(cred, *place.directory, *node));
    if (node->is_directory()) return fail(EISDIR);
    erase_entry(*place.directory, name);
    return drop_link(*node);
  };
  auto removed = remove();
  if (!removed) co_return std::move(removed).error();
  core_.remember(change_id, 0);
  if (*removed != nullptr) co_return co_await reclaim(lock, **removed);
  co_return Status();
}

fs::AsyncStatus Container::rmdir(const fs::Credential& cred, fs::NodeId parent, std::string_view name) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) {
    if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
  }
  const auto remove = [&]() -> Result<bool> {
    ROSS_TRY(const NamePlace place, find_place(cred, parent, name));
    if (!place.entry) return fail(ENOENT);
    ROSS_TRY(Inode* const node, find(place.entry->node));
    ROSS_OK(may_remove(cred, *place.directory, *node));
    if (!node->is_directory()) return fail(ENOTDIR);
    if (node->record.entries > 0) return fail(ENOTEMPTY);
    erase_entry(*place.directory, name);
    --place.directory->record.links;
    node->record.links = 1;  // its own "."; the drop takes it to none
    ROSS_OK(drop_link(*node));
    return true;
  };
  auto removed = remove();
  if (!removed) co_return std::move(removed).error();
  core_.remember(change_id, 0);
  co_return Status();
}

}  // namespace ross::engine
