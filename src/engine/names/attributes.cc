// setattr: mode, owner, times and size, with the permissions and side effects of chmod, chown, utimensat and truncate.
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

namespace {

Status may_change(const fs::Credential& cred, const format::InodeRecord& node, const fs::SetAttr& change,
                  bool through_file, bool open_for_write) {
  const bool owner = owns(cred, node);
  if (change.mode && S_ISLNK(node.mode)) return Status(EOPNOTSUPP);
  if (change.mode && !owner) return Status(EPERM);
  if (change.uid && cred.uid != 0 && (*change.uid != node.uid || !owner)) return Status(EPERM);
  if (change.gid && cred.uid != 0 && (!owner || (*change.gid != node.gid && !cred.in_group(*change.gid)))) {
    return Status(EPERM);
  }
  if ((change.atime_ns || change.mtime_ns) && !owner) return Status(EPERM);
  if ((change.atime_now || change.mtime_now) && !owner) ROSS_STATUS(may(cred, node, W_OK));
  if (change.size_bytes) {
    if (S_ISDIR(node.mode)) return Status(EISDIR);
    if (!S_ISREG(node.mode)) return Status(EINVAL);
    if (through_file && !open_for_write) return Status(EINVAL);
    if (!through_file) ROSS_STATUS(may(cred, node, W_OK));
    if (*change.size_bytes > fs::kFileBytesMax) return Status(EFBIG);
  }
  return {};
}

}  // namespace

fs::Async<fs::Attr> Container::setattr(const fs::Credential& cred, fs::NodeId node, const fs::SetAttr& change,
                                       std::optional<fs::FileId> file) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) ROSS_CO_OK(co_await core_.admit(lock));
  ROSS_CO_TRY(Inode* const inode, find(node));
  bool open_for_write = false;
  if (file) {
    ROSS_CO_TRY(const OpenFile* const open, find_file(*file));
    if (open->inode != inode) co_return fail(EBADF);
    open_for_write = open->flags.write;
  }
  ROSS_CO_OK(may_change(cred, inode->record, change, file.has_value(), open_for_write));
  const bool owner_or_mode = change.mode || change.uid || change.gid;
  const bool times = change.atime_ns || change.mtime_ns || change.atime_now || change.mtime_now;
  if (!owner_or_mode && !times && !change.size_bytes) co_return attr_of(*inode);
  if (change.size_bytes) {
    core_.nodes.pin(*inode);
    const Status status = co_await resize(lock, *inode, *change.size_bytes);
    core_.nodes.unpin(*inode);
    if (unwanted(*inode)) {
      ROSS_CO_OK(co_await reclaim(lock, *inode));
      co_return fail(ESTALE);
    }
    if (!status.ok()) co_return fail(status);
    inode->record.mode = mode_after_write(cred.uid == 0, inode->record.mode);
    touch(*inode, true);
  }
  format::InodeRecord& record = inode->record;
  if (change.uid || change.gid) {
    if (change.uid) record.uid = *change.uid;
    if (change.gid) record.gid = *change.gid;
    if (!S_ISDIR(record.mode)) record.mode = mode_after_write(cred.uid == 0, record.mode);
  }
  if (change.mode) {
    record.mode = (record.mode & S_IFMT) | (*change.mode & kPermissionBits);
    const bool foreign_group = cred.uid != 0 && !cred.in_group(record.gid);
    if (foreign_group) record.mode &= ~static_cast<std::uint32_t>(S_ISGID);
  }
  const std::int64_t now = core_.now_ns();
  if (change.atime_now) record.atime_ns = now;
  if (change.mtime_now) record.mtime_ns = now;
  if (change.atime_ns) record.atime_ns = *change.atime_ns;
  if (change.mtime_ns) record.mtime_ns = *change.mtime_ns;
  touch(*inode, false);
  const fs::Attr changed = attr_of(*inode);
  core_.remember(change_id, changed.node.value, &changed);
  co_return changed;
}

}  // namespace ross::engine
