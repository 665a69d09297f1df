// The scan: every record of the store is read and decoded once; what does not decode is damage of its own.
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/random.h"
#include "engine/format/client_records.h"
#include "engine/fsck/checker.h"
#include "engine/names/permission.h"

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

bool Checker::exists(format::BlockAddress address) const {
  const std::uint32_t device = format::device_of(address);
  const std::uint64_t block = format::block_of(address);
  return device < claimed_.size() && block >= format::kDeviceHeaderBlocks && block < claimed_[device].size();
}

bool Checker::claim(format::BlockAddress address) {
  if (!exists(address)) return false;
  const std::uint32_t device = format::device_of(address);
  const std::uint64_t block = format::block_of(address);
  if (claimed_[device][block]) return false;
  claimed_[device][block] = true;
  return true;
}

Status Checker::scan_pool() {
  std::uint32_t next_container = 1;
  ROSS_STATUS(each(KeyKind::kContainer, [&](std::string_view key, std::string_view value) {
    format::Reader in(key.substr(1));
    const ContainerId id(in.big<std::uint32_t>());
    if (!in.done()) return drop_record(key, "pool", "a container's record has no number");
    auto container = format::decode_container(value);
    next_container = std::max(next_container, id.value + 1);
    ContainerFacts& facts = containers_[id];
    if (container) {
      facts.record = *std::move(container);
      return;
    }
    found(fmt::format("container {}", id.value),
          fmt::format("the container's record is damaged: it becomes recovered-{}", id.value), true);
    facts.rebuilt = true;
    facts.record.name = fmt::format("recovered-{}", id.value);
    facts.record.name_seed = random_seed();
    facts.record.created_ns = clock_.realtime_ns();
  }));
  judge_container_names();
  return judge_pool_record(next_container);
}

void Checker::judge_container_names() {
  std::set<std::string> names;
  for (auto& [id, container] : containers_) {
    if (container.record.destroying || names.insert(container.record.name).second) continue;
    const std::string name = fmt::format("recovered-{}", id.value);
    found(container.record.name, fmt::format("two containers have this name: one becomes {}", name), true);
    container.record.name = name;
    names.insert(name);
    container.rebuilt = true;
  }
}

Status Checker::judge_pool_record(std::uint32_t next_container) {
  auto stored = store_.get(format::pool_key());
  if (!stored) return std::move(stored).error();
  auto record = *stored ? format::decode_pool(**stored) : Result<format::PoolRecord>(fail(EIO));
  if (!record && record.error().error() == ENOTSUP) return std::move(record).error();
  if (record && uuid_ != nullptr && record->uuid != *uuid_) {
    return Status(EINVAL, "the metadata store belongs to another pool: restore the pool's own from a copy");
  }
  if (!record && containers_.empty()) {
    return Status(EIO, "the metadata store is empty: restore it from a copy, or destroy the pool and make it anew");
  }
  if (!record) {
    found("pool", *stored ? "the pool record is damaged" : "the pool record is missing", true);
    format::PoolRecord made{.version = format::kFormatVersion, .uuid = {}, .next_container = next_container};
    if (uuid_ != nullptr) made.uuid = *uuid_;
    const auto number = store_.get(format::transaction_key());
    if (number && *number) made.version = format::kServedVersion;
    fixes_.Put(format::pool_key(), format::encode(made));
    return {};
  }
  if (record && record->next_container < next_container) {
    found("pool", "the next container's number is in use", true);
    record->next_container = next_container;
    fixes_.Put(format::pool_key(), format::encode(*record));
  }
  return {};
}

Status Checker::scan_nodes() {
  ROSS_STATUS(each(KeyKind::kInode, [&](std::string_view key, std::string_view value) {
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
  }));
  judge_roots();
  return {};
}

// Every container has a root. It is made before the entries are read, so that they find their directory.
void Checker::judge_roots() {
  for (auto& [id, container] : containers_) {
    if (container.record.destroying) continue;
    const NodeKey root{id, fs::kRootNode};
    const auto there = nodes_.find(root);
    if (there != nodes_.end() && S_ISDIR(there->second.record.mode)) continue;
    found(container.record.name, "the container has no root directory", true);
    format::InodeRecord record;
    record.mode = S_IFDIR | 0755;
    record.links = 2;
    record.parent = fs::kRootNode.value;
    record.atime_ns = record.mtime_ns = record.ctime_ns = record.btime_ns = clock_.realtime_ns();
    if (there == nodes_.end()) ++container.nodes;
    nodes_[root] = Node{.record = record, .changed = true};
  }
}

bool Checker::refile(std::string_view key, NodeKey directory, std::string_view name, std::string_view value) {
  std::string right =
      format::entry_key(directory, format::name_hash(containers_[directory.container].record.name_seed, name), name);
  const auto stored = store_.get(right);
  if (!stored || *stored || refiled_.contains(right)) return false;
  fixes_.Delete(rocksdb::Slice(key.data(), key.size()));
  fixes_.Put(right, rocksdb::Slice(value.data(), value.size()));
  refiled_.insert(std::move(right));
  return true;
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
    auto entry = format::decode_entry(value);
    if (!entry || !check_name(name).ok()) return drop_record(key, place(id, name), "the entry is damaged");
    const auto target = nodes_.find({id.container, entry->node});
    if (target == nodes_.end()) return drop_record(key, place(id, name), "the entry names a node that is not there");
    Node& node = target->second;
    if (S_ISDIR(node.record.mode) && (node.names > 0 || entry->node == fs::kRootNode)) {
      return drop_record(key, place(id, name), "a directory has a second name");
    }
    std::string mended;
    if (entry->type != (node.record.mode & S_IFMT)) {
      found(place(id, name), "the entry tells another type than its node", true);
      mended = format::encode(format::EntryRecord{.node = entry->node, .type = node.record.mode & S_IFMT});
    }
    if (hash != format::name_hash(container->second.record.name_seed, name)) {
      if (!container->second.rebuilt) found(place(id, name), "the entry is filed under the wrong hash", true);
      if (!refile(key, id, name, mended.empty() ? value : std::string_view(mended))) {
        fixes_.Delete(rocksdb::Slice(key.data(), key.size()));  // the name is there already
        return;
      }
    } else if (!mended.empty()) {
      fixes_.Put(rocksdb::Slice(key.data(), key.size()), mended);
    }
    if (id.node == fs::kRootNode && name == kLostAndFound && S_ISDIR(node.record.mode)) {
      lost_found_[id.container] = {id.container, entry->node};
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
    if (segment >= format::kSegmentsMax) return drop_record(key, place(id), "a mapping lies past the largest file");
    const std::uint64_t first = std::uint64_t{segment} * format::kSegmentBlocks;
    auto blocks = format::decode_segment(value);
    bool changed = false;
    if (!blocks) {
      // What was mapped here is lost: it answers EIO rather than zeros.
      const std::uint64_t end = (node->record.size_bytes + format::kBlockBytes - 1) / format::kBlockBytes;
      const std::string what = fmt::format("the mapping's segment {} is damaged: its data is lost", segment);
      if (end <= first) return drop_record(key, place(id), what);
      found(place(id), what, true);
      const format::BlockRef lost{.address = format::kBad, .crc = 0};
      blocks = std::vector<format::BlockRef>(std::min<std::uint64_t>(end - first, format::kSegmentBlocks), lost);
      changed = true;
    }
    for (std::size_t i = 0; i < blocks->size(); ++i) {
      format::BlockRef& ref = (*blocks)[i];
      const std::uint64_t address = ref.address;  // a copy: records are packed
      if (address == format::kHole) continue;
      ++node->blocks;
      ++container->second.blocks;
      if (address == format::kReserved) ++container->second.reserved;
      if (!format::is_stored(address)) continue;
      node->stored_end = std::max(node->stored_end, first + i + 1);
      report_->data_bytes += format::kBlockBytes;
      if (claim(address)) continue;
      if (exists(address)) {
        mapped_twice_.insert(address);
        continue;
      }
      found(place(id),
            fmt::format("device {} block {} is on no device", format::device_of(address), format::block_of(address)),
            true);
      ref = {.address = format::kBad, .crc = 0};
      changed = true;
    }
    node->segments_end = std::max(node->segments_end, segment + 1);
    if (changed) mended_.insert_or_assign(std::string(key), *std::move(blocks));
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
    if (!in.done() || value.size() != format::kBlockBytes || !exists(format::make_address(device, block))) {
      return drop_record(key, "pool", "a deferred block is damaged");
    }
    if (options_.data) deferred_.emplace(format::make_address(device, block), std::string(value));
  });
}

// What a pool that serves clients has beside its containers.
Status Checker::scan_clients() {
  std::set<ClientId> clients;
  ROSS_STATUS(each(KeyKind::kClient, [&](std::string_view key, std::string_view value) {
    const auto client = format::decode_client(key, value);
    if (!client) return drop_record(key, "pool", "a client's record is damaged: the client has to come anew");
    clients.insert(client->id);
  }));
  ROSS_STATUS(each(KeyKind::kRemembered, [&](std::string_view key, std::string_view value) {
    const auto change = format::decode_remembered(key, value);
    if (!change) return drop_record(key, "pool", "what is remembered of a client's change is damaged");
    if (!clients.contains(change->client)) drop_record(key, "pool", "a change is remembered for no client");
  }));
  return each(KeyKind::kTransaction, [&](std::string_view key, std::string_view value) {
    if (key == format::transaction_key() && format::decode_transaction(value)) return;
    drop_record(key, "pool", "the number of the last transaction is damaged");
  });
}

}  // namespace ross::engine
