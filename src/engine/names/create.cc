// mkdir, mknod, symlink, link, create, create_unnamed, publish: what gives a name.
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

using format::EntryRecord;
using format::KeyKind;

namespace {

// Each try that fails means that another caller made and removed the file meanwhile.
constexpr int kCreateTriesMax = 1000;
constexpr std::uint32_t kDirectoryBits = 01777;  // mkdir makes no set-id bits; a parent's is inherited

EntryRecord entry_for(const Inode& node) { return {.node = node.key.node, .type = node.record.mode & S_IFMT}; }

}  // namespace

Result<Inode*> Container::make_node(const fs::Credential& cred, const Inode& directory, std::uint32_t mode) {
  format::ContainerRecord& container = state_.record;
  if (container.quota_nodes != 0 && container.used_nodes >= container.quota_nodes) {
    return fail(EDQUOT, "the container's quota of files is used up: delete some or raise it (ross container set)");
  }
  format::InodeRecord record;
  record.mode = mode;
  record.links = S_ISDIR(mode) ? 2 : 1;
  record.uid = cred.uid;
  record.gid = cred.gid;
  if ((directory.record.mode & S_ISGID) != 0) {
    record.gid = directory.record.gid;
    if (S_ISDIR(mode)) record.mode |= S_ISGID;
  }
  // Only members make a set-group-id file for a group.
  const bool runs_as_group = (mode & S_ISGID) != 0 && (mode & S_IXGRP) != 0;
  if (S_ISREG(mode) && runs_as_group && cred.uid != 0 && !cred.in_group(record.gid))
    record.mode &= ~static_cast<std::uint32_t>(S_ISGID);
  record.atime_ns = record.mtime_ns = record.ctime_ns = record.btime_ns = core_.now_ns();
  if (S_ISDIR(mode)) record.parent = directory.key.node.value;
  ++container.used_nodes;
  core_.mark_dirty(state_);
  return core_.nodes.insert(key(fs::NodeId(container.next_node++)), record);
}

Result<Inode*> Container::make_child(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                                     std::uint32_t mode) {
  ROSS_TRY(const NamePlace place, find_place(cred, parent, name));
  if (place.entry) return fail(EEXIST);
  Inode& directory = *place.directory;
  ROSS_OK(may(cred, directory.record, W_OK));
  if (directory.record.links == 0) return fail(ENOENT);  // removed while open
  if (S_ISDIR(mode) && directory.record.links >= fs::kLinksMax) return fail(EMLINK);
  ROSS_TRY(Inode* const node, make_node(cred, directory, mode));
  put_entry(directory, name, entry_for(*node));
  if (S_ISDIR(mode)) ++directory.record.links;
  return node;
}

// What a call answers that gave a node a name, which is also what is remembered of it.
fs::Attr Container::made(const fs::ChangeId& change_id, const Inode& node, bool created) {
  const fs::Attr attr = attr_of(node);
  core_.remember(change_id, attr.node.value, &attr, created);
  return attr;
}

fs::Async<fs::Attr> Container::mkdir(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                                     std::uint32_t mode) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) ROSS_CO_OK(co_await core_.admit(lock));
  ROSS_CO_TRY(Inode* const node, make_child(cred, parent, name, S_IFDIR | (mode & kDirectoryBits)));
  co_return made(change_id, *node);
}

fs::Async<fs::Attr> Container::mknod(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                                     std::uint32_t mode, std::uint64_t rdev) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) ROSS_CO_OK(co_await core_.admit(lock));
  const std::uint32_t type = mode & S_IFMT;
  const bool device = type == S_IFCHR || type == S_IFBLK;
  if (type == S_IFDIR) co_return fail(EPERM);
  if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && !device) co_return fail(EINVAL);
  if (device && cred.uid != 0) {
    ROSS_CO_TRY(const NamePlace place, find_place(cred, parent, name));
    co_return fail(place.entry ? EEXIST : EPERM);
  }
  ROSS_CO_TRY(Inode* const node, make_child(cred, parent, name, type | (mode & kPermissionBits)));
  if (device) node->record.rdev = rdev;
  co_return made(change_id, *node);
}

fs::Async<fs::Attr> Container::symlink(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                                       std::string_view target) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) ROSS_CO_OK(co_await core_.admit(lock));
  if (target.empty()) co_return fail(ENOENT);
  if (target.size() > fs::kSymlinkBytesMax) co_return fail(ENAMETOOLONG);
  if (target.find('\0') != std::string_view::npos) co_return fail(EINVAL);
  ROSS_CO_TRY(Inode* const node, make_child(cred, parent, name, S_IFLNK | 0777));
  node->record.size_bytes = target.size();
  core_.store->put(format::node_key(KeyKind::kSymlink, node->key), std::string(target));
  co_return made(change_id, *node);
}

fs::Async<fs::Attr> Container::link(const fs::Credential& cred, fs::NodeId node, fs::NodeId parent,
                                    std::string_view name) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) ROSS_CO_OK(co_await core_.admit(lock));
  ROSS_CO_TRY(const NamePlace place, find_place(cred, parent, name));
  ROSS_CO_TRY(Inode* const target, find(node));
  if (place.entry) co_return fail(EEXIST);
  ROSS_CO_OK(may(cred, place.directory->record, W_OK));
  if (target->is_directory()) co_return fail(EPERM);
  if (target->record.links == 0) co_return fail(ENOENT);
  if (place.directory->record.links == 0) co_return fail(ENOENT);
  if (target->record.links >= fs::kLinksMax) co_return fail(EMLINK);
  put_entry(*place.directory, name, entry_for(*target));
  ++target->record.links;
  touch(*target, false);
  co_return made(change_id, *target);
}

fs::Async<fs::Opened> Container::create(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                                        std::uint32_t mode, fs::OpenFlags flags) {
  const fs::ChangeId change_id = take_change_id();
  for (int tries = 0; tries < kCreateTriesMax; ++tries) {
    Lock lock(core_.mutex);
    core_.nodes.trim();
    if (!core_.admits()) ROSS_CO_OK(co_await core_.admit(lock));
    ROSS_CO_TRY(const NamePlace place, find_place(cred, parent, name));
    if (!place.entry) {
      ROSS_CO_TRY(Inode* const node, make_child(cred, parent, name, S_IFREG | (mode & kPermissionBits)));
      const fs::FileId file = open_node(cred, *node, flags);
      co_return fs::Opened{.file = file, .attr = made(change_id, *node, true), .created = true};
    }
    if (flags.exclusive) co_return fail(EEXIST);
    if (S_ISDIR(place.entry->type)) co_return fail(EISDIR);
    const fs::NodeId there = place.entry->node;
    lock.unlock();
    auto opened = co_await open_for(cred, there, flags, &change_id);
    if (opened || opened.error().error() != ESTALE) co_return opened;
    // Unlinked in between: the name is free, or somebody else's file by now.
  }
  co_return fail(ESTALE);
}

fs::Async<fs::Opened> Container::create_unnamed(const fs::Credential& cred, fs::NodeId parent, std::uint32_t mode) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) ROSS_CO_OK(co_await core_.admit(lock));
  ROSS_CO_TRY(Inode* const directory, find_directory(parent));
  ROSS_CO_OK(may(cred, directory->record, W_OK | X_OK));
  if (directory->record.links == 0) co_return fail(ENOENT);
  ROSS_CO_TRY(Inode* const node, make_node(cred, *directory, S_IFREG | (mode & kPermissionBits)));
  node->record.links = 0;
  set_orphan(*node, true);  // a crash before publish() takes it away
  const fs::FileId file = open_node(cred, *node, {.read = true, .write = true});
  co_return fs::Opened{.file = file, .attr = made(change_id, *node, true), .created = true};
}

fs::AsyncStatus Container::publish(const fs::Credential& cred, fs::FileId file, fs::NodeId parent,
                                   std::string_view name) {
  const fs::ChangeId change_id = take_change_id();
  Lock lock(core_.mutex);
  core_.nodes.trim();
  if (!core_.admits()) {
    if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
  }
  Inode* replaced = nullptr;
  const auto name_it = [&]() -> Result<Inode*> {
    ROSS_TRY(OpenFile* const open, find_file(file));
    Inode& node = *open->inode;
    ROSS_TRY(const NamePlace place, find_place(cred, parent, name));
    if (node.record.links != 0) return fail(EINVAL, "the file has a name already: use link or rename");
    if (!node.is_regular()) return fail(EINVAL);  // a directory that was removed while open stays removed
    Inode& directory = *place.directory;
    ROSS_OK(may(cred, directory.record, W_OK));
    if (directory.record.links == 0) return fail(ENOENT);
    Inode* long_one = nullptr;
    if (place.entry) {
      ROSS_TRY(Inode* const old, find(place.entry->node));
      ROSS_OK(may_remove(cred, directory, *old));
      if (old->is_directory()) return fail(EISDIR);
      erase_entry(directory, name);
      ROSS_TRY(long_one, drop_link(*old));
    }
    put_entry(directory, name, entry_for(node));
    node.record.links = 1;
    set_orphan(node, false);
    touch(node, false);
    return long_one;
  };
  auto named = name_it();
  if (!named) co_return std::move(named).error();
  core_.remember(change_id, 0);
  replaced = *named;
  if (replaced != nullptr) co_return co_await reclaim(lock, *replaced);
  co_return Status();
}

}  // namespace ross::engine
