// lookup, parent, getattr, access, readlink, statfs: what changes nothing.
#include <sys/stat.h>

#include "engine/container.h"
#include "engine/names/permission.h"

namespace ross::engine {

fs::Async<fs::Attr> Container::lookup(const fs::Credential& cred, fs::NodeId parent, std::string_view name) {
  const auto look = [&]() -> Result<fs::Attr> {
    const Lock lock(core_.mutex);
    core_.nodes.trim();
    ROSS_TRY(const NamePlace place, find_place(cred, parent, name));
    if (!place.entry) return fail(ENOENT);
    ROSS_TRY(const Inode* const node, find(place.entry->node));
    return attr_of(*node);
  };
  return fs::Async<fs::Attr>::ready(look());
}

fs::Async<fs::NodeId> Container::parent(fs::NodeId node) {
  const Lock lock(core_.mutex);
  core_.nodes.trim();
  auto directory = find_directory(node);
  if (!directory) return fs::Async<fs::NodeId>::ready(fail(std::move(directory).error()));
  return fs::Async<fs::NodeId>::ready(fs::NodeId((*directory)->record.parent));
}

fs::Async<fs::Attr> Container::getattr(fs::NodeId node) {
  const Lock lock(core_.mutex);
  core_.nodes.trim();
  auto inode = find(node);
  if (!inode) return fs::Async<fs::Attr>::ready(fail(std::move(inode).error()));
  return fs::Async<fs::Attr>::ready(attr_of(**inode));
}

fs::AsyncStatus Container::access(const fs::Credential& cred, fs::NodeId node, int mask) {
  const Lock lock(core_.mutex);
  core_.nodes.trim();
  auto inode = find(node);
  if (!inode) return fs::AsyncStatus::ready(std::move(inode).error());
  return fs::AsyncStatus::ready(may(cred, (*inode)->record, mask));
}

fs::Async<std::string> Container::readlink(fs::NodeId node) {
  const auto read = [&]() -> Result<std::string> {
    const Lock lock(core_.mutex);
    core_.nodes.trim();
    ROSS_TRY(const Inode* const link, find(node));
    if (!S_ISLNK(link->record.mode)) return fail(EINVAL);
    ROSS_TRY(auto target, core_.store->get(format::node_key(format::KeyKind::kSymlink, link->key)));
    if (!target) return fail(EIO, "a symbolic link has no target: run ross fsck on the pool");
    return *std::move(target);
  };
  return fs::Async<std::string>::ready(read());
}

fs::Async<fs::StatFs> Container::statfs() {
  const Lock lock(core_.mutex);
  fs::StatFs stat;
  stat.total_bytes = core_.space.total_blocks() * format::kBlockBytes;
  stat.free_bytes = core_.space.free_blocks() * format::kBlockBytes;
  stat.nodes_used = state_.record.used_nodes;
  stat.nodes_total = state_.record.quota_nodes;
  if (const std::uint64_t quota = state_.record.quota_bytes; quota != 0) {
    const std::uint64_t used = state_.record.used_blocks * format::kBlockBytes;
    stat.total_bytes = std::min(stat.total_bytes, quota);
    stat.free_bytes = std::min(stat.free_bytes, quota > used ? quota - used : 0);
  }
  return fs::Async<fs::StatFs>::ready(stat);
}

}  // namespace ross::engine
