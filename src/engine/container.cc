#include "engine/container.h"

#include <sys/stat.h>

#include "engine/names/permission.h"

namespace ross::engine {

using format::EntryRecord;
using format::KeyKind;

Container::Container(Core& core, format::ContainerId id) : core_(core), id_(id), state_(core.containers.at(id)) {
  ++state_.opens;
}

Container::~Container() {
  const Lock lock(core_.mutex);
  for (OpenFile& file : files_) {
    if (file.inode != nullptr) core_.nodes.closed(*std::exchange(file.inode, nullptr));
  }
  --state_.opens;
}

fs::Attr Container::attr_of(const Inode& inode) {
  const format::InodeRecord& r = inode.record;
  return {.node = inode.key.node,
          .mode = r.mode,
          .links = r.links,
          .uid = r.uid,
          .gid = r.gid,
          .rdev = r.rdev,
          .size_bytes = r.size_bytes,
          .allocated_bytes = r.blocks * format::kBlockBytes,
          .atime_ns = r.atime_ns,
          .mtime_ns = r.mtime_ns,
          .ctime_ns = r.ctime_ns,
          .btime_ns = r.btime_ns};
}

Result<Inode*> Container::find_directory(fs::NodeId node) {
  ROSS_TRY(Inode* const directory, find(node));
  if (!directory->is_directory()) return fail(ENOTDIR);
  return directory;
}

Result<std::optional<EntryRecord>> Container::find_entry(const Inode& directory, std::string_view name) {
  const std::uint64_t name_hash = hash(name);
  if (auto cached = core_.names.find(directory.key, name_hash, name)) return cached;
  if (directory.record.entries == 0) return std::nullopt;
  ROSS_TRY(const auto stored, core_.store->get(format::entry_key(directory.key, name_hash, name)));
  if (!stored) return std::nullopt;
  ROSS_TRY(const EntryRecord entry, format::decode_entry(*stored));
  core_.names.put(directory.key, name_hash, name, entry);
  return entry;
}

Result<Container::NamePlace> Container::find_place(const fs::Credential& cred, fs::NodeId parent,
                                                   std::string_view name) {
  ROSS_OK(check_name(name));
  ROSS_TRY(Inode* const directory, find_directory(parent));
  ROSS_OK(may(cred, directory->record, X_OK));
  ROSS_TRY(const auto entry, find_entry(*directory, name));
  return NamePlace{directory, entry};
}

void Container::put_entry(Inode& directory, std::string_view name, EntryRecord entry) {
  const std::uint64_t name_hash = hash(name);
  core_.store->put(format::entry_key(directory.key, name_hash, name), format::encode(entry));
  core_.names.put(directory.key, name_hash, name, entry);
  ++directory.record.entries;
  touch(directory, true);
}

void Container::erase_entry(Inode& directory, std::string_view name) {
  const std::uint64_t name_hash = hash(name);
  core_.store->erase(format::entry_key(directory.key, name_hash, name));
  core_.names.erase(directory.key, name_hash);
  --directory.record.entries;
  touch(directory, true);
}

void Container::touch(Inode& node, bool modified) {
  node.record.ctime_ns = core_.now_ns();
  if (modified) node.record.mtime_ns = node.record.ctime_ns;
  core_.nodes.mark_dirty(node);
}

void Container::set_orphan(const Inode& node, bool orphan) {
  std::string key = format::node_key(KeyKind::kOrphan, node.key);
  if (orphan) {
    core_.store->put(std::move(key), std::string());
  } else {
    core_.store->erase(std::move(key));
  }
}

fs::FileId Container::open_node(const fs::Credential& cred, Inode& node, fs::OpenFlags flags) {
  if (free_files_.empty()) {
    free_files_.push_back(static_cast<std::uint32_t>(files_.size()));
    files_.emplace_back();
  }
  const std::uint32_t slot = free_files_.back();
  free_files_.pop_back();
  OpenFile& file = files_[slot];
  file.inode = &node;
  file.flags = flags;
  file.privileged = cred.uid == 0;
  ++file.generation;
  core_.nodes.opened(node);
  return fs::FileId((std::uint64_t{file.generation} << 32) | slot);
}

Result<Container::OpenFile*> Container::find_file(fs::FileId file) {
  const auto slot = static_cast<std::uint32_t>(file.value);
  if (slot >= files_.size() || files_[slot].inode == nullptr || files_[slot].generation != file.value >> 32) {
    return fail(EBADF);
  }
  return &files_[slot];
}

}  // namespace ross::engine
