// The scan: every record of the store is read and decoded once; what does not decode is damage of its own.
#include <fmt/format.h>
#include <sys/stat.h>

#include "engine/fsck/checker.h"

namespace ross::engine {

using format::ContainerId;
using format::KeyKind;
using format::NodeKey;

Status Checker::each(KeyKind kind, const std::function<void(std::string_view, std::string_view)>& visit) {
  return store_.scan(format::key_of(kind), {}, [&](std::string_view key, std::string_view value) {
    visit(key, value);
    progress(1);
    return true;
  });
}

void Checker::drop_record(std::string_view key, std::string where, std::string what) {
  found(std::move(where), std::move(what), true);
  fixes_.Delete(rocksdb::Slice(key.data(), key.size()));
}

Checker::Node* Checker::node_of(format::Reader& key, NodeKey& id) {
  key.bytes(1);
  id.container = ContainerId(key.big<std::uint32_t>());
  id.node = fs::NodeId(key.big<std::uint64_t>());
  const auto node = nodes_.find(id);
  return key.ok() && node != nodes_.end() ? &node->second : nullptr;
}

bool Checker::claim(format::BlockAddress address) {
  const std::uint32_t device = format::device_of(address);
  const std::uint64_t block = format::block_of(address);
  if (device >= claimed_.size() || block < format::kDeviceHeaderBlocks || block >= claimed_[device].size())
    return false;
  if (claimed_[device][block]) return false;
  claimed_[device][block] = true;
  return true;
}

Status Checker::scan_pool() {
  auto stored = store_.get(format::pool_key());
  if (!stored) return std::move(stored).error();
  auto record =
      *stored ? format::decode_pool(**stored) : Result<format::PoolRecord>(fail(EIO, "the pool record is missing"));
  if (!record && record.error().error() == ENOTSUP) return std::move(record).error();
  if (!record) found("pool", record.error().message(), false);
  std::uint32_t next_container = 1;
  ROSS_STATUS(each(KeyKind::kContainer, [&](std::string_view key, std::string_view value) {
    format::Reader in(key.substr(1));
    const ContainerId id(in.big<std::uint32_t>());
    auto container = format::decode_container(value);
    if (container && in.done()) {
      containers_[id].record = *std::move(container);
      next_container = std::max(next_container, id.value + 1);
    } else {
      drop_record(key, fmt::format("container {}", id.value), "the container's record is damaged");
    }
  }));
  if (record && record->next_container < next_container) {
    found("pool", "the next container's number is in use", true);
    record->next_container = next_container;
    fixes_.Put(format::pool_key(), format::encode(*record));
  }
  return {};
}

Status Checker::scan_nodes() {
  return each(KeyKind::kInode, [&](std::string_view key, std::string_view value) {
    format::Reader in(key);
    NodeKey id;
    node_of(in, id);
    const auto container = containers_.find(id.container);
    auto record = format::decode_inode(value);
    if (!in.done() || container == containers_.end()) {
      drop_record(key, "pool", "an inode belongs to no container");
    } else if (!record) {
      drop_record(key, fmt::format("{}: node {}", container->second.record.name, id.node.value),
                  "the inode is damaged");
    } else {
      nodes_.emplace(id, Node{.record = *record});
      ++container->second.nodes;
      container->second.next_node = std::max(container->second.next_node, id.node.value + 1);
      ++report_->nodes;
    }
  });
}

Status Checker::scan_entries() {
  return each(KeyKind::kEntry, [&](std::string_view key, std::string_view value) {
    format::Reader in(key);
    NodeKey id;
    Node* const directory = node_of(in, id);
    const auto hash = in.big<std::uint64_t>();
    const std::string_view name = in.rest();
    ++report_->entries;
    const auto container = containers_.find(id.container);
    if (directory == nullptr || !S_ISDIR(directory->record.mode) || container == containers_.end()) {
      return drop_record(key, "pool", fmt::format("the entry '{}' is in no directory", name));
    }
    const std::string where = fmt::format("{}/{}", place(id), name);
    auto entry = format::decode_entry(value);
    if (!entry || name.empty() || name.size() > fs::kNameBytesMax)
      return drop_record(key, where, "the entry is damaged");
    if (hash != format::name_hash(container->second.record.name_seed, name)) {
      return drop_record(key, where, "the entry is filed under the wrong hash");
    }
    const auto target = nodes_.find({id.container, entry->node});
    if (target == nodes_.end()) return drop_record(key, where, "the entry names a node that is not there");
    Node& node = target->second;
    if (S_ISDIR(node.record.mode) && (node.names > 0 || entry->node == fs::kRootNode)) {
      return drop_record(key, where, "a directory has a second name");
    }
    if (entry->type != (node.record.mode & S_IFMT)) {
      found(where, "the entry tells another type than its node", true);
      fixes_.Put(rocksdb::Slice(key.data(), key.size()),
                 format::encode(format::EntryRecord{.node = entry->node, .type = node.record.mode & S_IFMT}));
    }
    ++node.names;
    node.named_in = id.node.value;
    ++directory->entries;
    if (S_ISDIR(node.record.mode)) ++directory->subdirectories;
  });
}

Status Checker::scan_segments() {
  return each(KeyKind::kSegment, [&](std::string_view key, std::string_view value) {
    format::Reader in(key);
    NodeKey id;
    Node* const node = node_of(in, id);
    const auto segment = in.big<std::uint32_t>();
    const auto container = containers_.find(id.container);
    if (node == nullptr || !S_ISREG(node->record.mode) || !in.done() || container == containers_.end()) {
      return drop_record(key, "pool", "a mapping belongs to no file");
    }
    auto blocks = format::decode_segment(value);
    if (!blocks) return drop_record(key, place(id), fmt::format("the mapping's segment {} is damaged", segment));
    bool changed = false;
    for (format::BlockRef& ref : *blocks) {
      if (ref.address == format::kHole) continue;
      ++node->blocks;
      ++container->second.blocks;
      if (ref.address == format::kReserved) ++container->second.reserved;
      if (!format::is_stored(ref.address)) continue;
      report_->data_bytes += format::kBlockBytes;
      if (claim(ref.address)) continue;
      found(place(id),
            fmt::format("device {} block {} is mapped twice or is on no device", format::device_of(ref.address),
                        format::block_of(ref.address)),
            true);
      ref = {.address = format::kBad, .crc = 0};
      changed = true;
    }
    node->segments_end = std::max(node->segments_end, segment + 1);
    if (changed) fixes_.Put(rocksdb::Slice(key.data(), key.size()), format::encode_segment(*blocks));
  });
}

Status Checker::scan_side_records() {
  ROSS_STATUS(each(KeyKind::kOrphan, [&](std::string_view key, std::string_view) {
    format::Reader in(key);
    NodeKey id;
    Node* const node = node_of(in, id);
    if (node == nullptr) return drop_record(key, "pool", "an orphan record names a node that is not there");
    node->orphan = true;
  }));
  ROSS_STATUS(each(KeyKind::kXattr, [&](std::string_view key, std::string_view) {
    format::Reader in(key);
    NodeKey id;
    Node* const node = node_of(in, id);
    if (node == nullptr || in.rest().empty())
      return drop_record(key, "pool", "an extended attribute belongs to no node");
    node->has_xattrs = true;
  }));
  ROSS_STATUS(each(KeyKind::kSymlink, [&](std::string_view key, std::string_view value) {
    format::Reader in(key);
    NodeKey id;
    Node* const node = node_of(in, id);
    if (node == nullptr || !S_ISLNK(node->record.mode))
      return drop_record(key, "pool", "a link's target belongs to no link");
    node->has_target = true;
    if (node->record.size_bytes == value.size()) return;
    found(place(id), "the link's size is not its target's", true);
    node->record.size_bytes = value.size();
    node->changed = true;
  }));
  ROSS_STATUS(each(KeyKind::kIsolated, [&](std::string_view key, std::string_view) {
    format::Reader in(key.substr(1));
    const auto device = in.big<std::uint8_t>();
    const auto block = in.big<std::uint64_t>();
    if (!in.done() || !claim(format::make_address(device, block))) {
      drop_record(key, "pool", "a block set apart is in use or on no device");
    }
  }));
  return each(KeyKind::kDeferred, [&](std::string_view key, std::string_view value) {
    format::Reader in(key.substr(1));
    const auto device = in.big<std::uint8_t>();
    const auto block = in.big<std::uint64_t>();
    if (!in.done() || value.size() != format::kBlockBytes || device >= disks_.size()) {
      return drop_record(key, "pool", "a deferred block is damaged");
    }
    if (options_.data) deferred_.emplace(format::make_address(device, block), std::string(value));
  });
}

}  // namespace ross::engine
