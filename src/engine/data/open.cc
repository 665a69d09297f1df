// open, close, fsync, sync.
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

fs::Async<fs::Opened> Container::open(const fs::Credential& cred, fs::NodeId node, fs::OpenFlags flags) {
  return open_for(cred, node, flags, nullptr);
}

fs::Async<fs::Opened> Container::open_for(const fs::Credential& cred, fs::NodeId node, fs::OpenFlags flags,
                                          const fs::ChangeId* created_as) {
  const fs::ChangeId change_id = created_as != nullptr ? *created_as : take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  ROSS_CO_TRY(Inode* const inode, find(node));
  if (S_ISLNK(inode->record.mode)) co_return fail(ELOOP);
  if (inode->is_directory() && (flags.write || flags.truncate)) co_return fail(EISDIR);
  if (!inode->is_directory() && !inode->is_regular()) co_return fail(ENXIO, "not a file or directory of this store");
  const bool writes = flags.write || flags.truncate;
  const int mask = (flags.read ? R_OK : 0) | (writes ? W_OK : 0);
  if (!flags.again) ROSS_CO_OK(may(cred, inode->record, mask));
  if (flags.truncate) {
    core_.nodes.pin(*inode);
    Status status;
    if (!core_.admits()) status = co_await core_.admit(lock);
    if (status.ok() && inode->record.size_bytes > 0) status = co_await resize(lock, *inode, 0);
    core_.nodes.unpin(*inode);
    if (unwanted(*inode)) {
      ROSS_CO_OK(co_await reclaim(lock, *inode));
      co_return fail(ESTALE);
    }
    if (!status.ok()) co_return fail(status);
    inode->record.mode = mode_after_write(cred.uid == 0, inode->record.mode);
    touch(*inode, true);
  }
  const fs::FileId file = open_node(cred, *inode, flags);
  const fs::Attr attr = attr_of(*inode);
  if (flags.truncate || created_as != nullptr) core_.remember(change_id, node.value, &attr);
  co_return fs::Opened{.file = file, .attr = attr};
}

fs::AsyncStatus Container::close(fs::FileId file) {
  Lock lock(core_.mutex);
  auto open = find_file(file);
  if (!open) return fs::AsyncStatus::ready(std::move(open).error());
  Inode& node = *std::exchange((*open)->inode, nullptr);
  free_files_.push_back(static_cast<std::uint32_t>(file.value));
  core_.nodes.closed(node);
  if (!unwanted(node)) return fs::AsyncStatus::ready(Status());
  // A coroutine of its own, so that the common close costs no frame. Without the mutex the node may go.
  const fs::NodeId last = node.key.node;
  lock.unlock();
  return reclaim_closed(last);
}

fs::AsyncStatus Container::reclaim_closed(fs::NodeId node) {
  Lock lock(core_.mutex);
  auto inode = find(node);
  if (!inode || !unwanted(**inode) || !core_.failure().ok()) co_return Status();  // the next open of the pool does it
  co_return co_await reclaim(lock, **inode);
}

fs::AsyncStatus Container::fsync(fs::FileId file, bool data_only) {
  (void)data_only;  // a commit covers times as well, at no cost of its own
  Lock lock(core_.mutex);
  auto open = find_file(file);
  if (!open) co_return std::move(open).error();
  co_return co_await core_.commit(lock);
}

fs::AsyncStatus Container::sync() {
  Lock lock(core_.mutex);
  co_return co_await core_.commit(lock);
}

}  // namespace ross::engine
