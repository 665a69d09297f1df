// The judgement: what the scan gathered is compared with what the records claim, and mended where asked.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "engine/fsck/checker.h"

namespace ross::engine {

using format::InodeRecord;
using format::KeyKind;
using format::NodeKey;

namespace {

constexpr std::string_view kTargetLost = "(target lost)";

}  // namespace

// Every directory hangs, over its parents, from its container's root.
void Checker::judge_tree() {
  // Directories whose recorded parent is not where they are named.
  for (auto& [id, node] : nodes_) {
    if (!S_ISDIR(node.record.mode) || id.node == fs::kRootNode || node.names == 0) continue;
    if (node.record.parent == node.named_in) continue;
    found(place(id), "the directory is not where its parent's number says", true);
    node.record.parent = node.named_in;
    node.changed = true;
  }
  // A chain of parents that never reaches the root is a ring: it is cut at one directory, which goes to lost+found.
  for (auto& [id, node] : nodes_) {
    if (!S_ISDIR(node.record.mode) || node.reached || node.names == 0) continue;
    std::vector<Node*> chain;
    NodeKey at = id;
    bool ring = false;
    for (;;) {
      const auto step = nodes_.find(at);
      if (step == nodes_.end() || at.node == fs::kRootNode || step->second.reached || step->second.names == 0) break;
      if (chain.size() > nodes_.size()) {
        ring = true;
        break;
      }
      chain.push_back(&step->second);
      at.node = fs::NodeId(step->second.record.parent);
    }
    for (Node* const member : chain) member->reached = true;
    if (!ring) continue;
    // At its lowest number, so that a check and the repair after it say the same.
    const auto above_of = [this](NodeKey member) {
      return NodeKey{member.container, fs::NodeId(nodes_.at(member).record.parent)};
    };
    for (NodeKey member = above_of(at), first = at; member != first; member = above_of(member))
      at = std::min(at, member);
    const auto cut = nodes_.find(at);
    const auto above = nodes_.find({at.container, fs::NodeId(cut->second.named_in)});
    const std::string prefix = format::entry_prefix(above->first);
    std::string ring_key;
    const Status scanned = store_.scan(prefix, {}, [&](std::string_view key, std::string_view value) {
      auto entry = format::decode_entry(value);
      if (entry && entry->node == at.node) ring_key = key;
      return ring_key.empty();
    });
    if (!scanned.ok() || ring_key.empty()) continue;
    found(fmt::format("{}: node {}", containers_[at.container].record.name, at.node.value),
          "directories hang from each other in a ring", true);
    fixes_.Delete(ring_key);
    --above->second.entries;
    --above->second.subdirectories;
    cut->second.names = 0;
  }
}

// Gives a node without a name one in /lost+found of its container.
void Checker::adopt(NodeKey id, Node& node) {
  ContainerFacts& container = containers_[id.container];
  const std::uint64_t seed = container.record.name_seed;
  const NodeKey root{id.container, fs::kRootNode};
  const auto hang = [&](NodeKey directory, NodeKey child, std::string_view name, std::uint32_t mode) {
    Node& parent = nodes_[directory];
    ++parent.entries;
    if (S_ISDIR(mode)) ++parent.subdirectories;
    fixes_.Put(format::entry_key(directory, format::name_hash(seed, name), name),
               format::encode(format::EntryRecord{.node = child.node, .type = mode & S_IFMT}));
  };
  NodeKey lost{id.container, {}};
  const auto is_taken = [&](std::string_view name) {
    const std::string key = format::entry_key(root, format::name_hash(seed, name), name);
    const auto stored = store_.get(key);
    return !stored || *stored || refiled_.contains(key);
  };
  if (lost_found_.contains(id.container)) {
    lost = lost_found_[id.container];
  } else {
    std::string name(kLostAndFound);
    while (is_taken(name)) name += '+';  // by a file
    lost.node = fs::NodeId(container.next_node++);
    Node directory;
    directory.record.mode = S_IFDIR | 0700;
    directory.record.parent = fs::kRootNode.value;
    directory.record.atime_ns = directory.record.mtime_ns = directory.record.ctime_ns = directory.record.btime_ns =
        clock_.realtime_ns();
    directory.names = 1;
    directory.named_in = fs::kRootNode.value;
    directory.reached = true;
    directory.changed = true;
    nodes_[lost] = directory;
    ++container.nodes;
    hang(root, lost, name, S_IFDIR);
    lost_found_[id.container] = lost;
  }
  node.names = 1;
  node.named_in = lost.node.value;
  if (S_ISDIR(node.record.mode)) node.record.parent = lost.node.value;
  node.changed = true;
  hang(lost, id, fmt::format("#{}", id.node.value), node.record.mode);
}

void Checker::judge_counts() {
  // Adoption adds nodes, so who needs it is gathered first.
  std::vector<NodeKey> nameless;
  for (auto& [id, node] : nodes_) {
    const bool destroying = containers_[id.container].record.destroying;
    // An orphan is meant to go only when its link count says so too.
    const bool dying = node.orphan && node.record.links == 0;
    if (node.names == 0 && id.node != fs::kRootNode && !dying && !destroying) nameless.push_back(id);
  }
  for (const NodeKey& id : nameless) {
    found(fmt::format("{}: node {}", containers_[id.container].record.name, id.node.value),
          "the node has no name: it goes to /lost+found", true);
    Node copy = nodes_[id];
    adopt(id, copy);
    nodes_[id] = copy;
  }
  for (auto& [id, node] : nodes_) {
    if (containers_[id.container].record.destroying) continue;
    InodeRecord& record = node.record;
    const auto expect = [&, &id = id, &node = node](auto& field, auto value, std::string_view what) {
      if (field == value) return;
      if (!node.changed || node.names > 0)
        found(place(id), fmt::format("{} is {} and should be {}", what, field, value), true);
      field = value;
      node.changed = true;
    };
    if (S_ISDIR(record.mode)) {
      const bool removed = node.orphan && node.names == 0;
      expect(record.links, removed ? 0U : 2U + node.subdirectories, "the link count");
      expect(record.entries, node.entries, "the number of entries");
    } else {
      expect(record.links, node.names, "the link count");
    }
    expect(record.blocks, node.blocks, "the number of blocks");
    if (record.segments_end < node.segments_end) expect(record.segments_end, node.segments_end, "the mapping's end");
    const std::uint64_t stored_bytes = node.stored_end * format::kBlockBytes;
    if (!node.orphan && stored_bytes >= record.size_bytes + format::kBlockBytes) {
      expect(record.size_bytes, stored_bytes, "the size");
    }
    if (node.has_xattrs && (record.flags & InodeRecord::kHasXattrs) == 0) {
      expect(record.flags, record.flags | InodeRecord::kHasXattrs, "the flags");
    }
    if (S_ISLNK(record.mode) && !node.has_target) {
      found(place(id), fmt::format("the link has no target: it gets '{}'", kTargetLost), true);
      fixes_.Put(format::node_key(KeyKind::kSymlink, id), rocksdb::Slice(kTargetLost.data(), kTargetLost.size()));
      record.size_bytes = kTargetLost.size();
      node.changed = true;
    }
    if (node.changed) fixes_.Put(format::node_key(KeyKind::kInode, id), format::encode(record));
  }
}

void Checker::judge_containers() {
  for (auto& [id, container] : containers_) {
    format::ContainerRecord& record = container.record;
    if (record.destroying) continue;
    bool changed = container.rebuilt;
    const auto expect = [&, &container = container](std::uint64_t& field, std::uint64_t value, std::string_view what) {
      if (field == value) return;
      if (!container.rebuilt)
        found(container.record.name, fmt::format("{} is {} and should be {}", what, field, value), true);
      field = value;
      changed = true;
    };
    expect(record.used_blocks, container.blocks, "the number of blocks in use");
    expect(record.reserved_blocks, container.reserved, "the number of blocks reserved");
    expect(record.used_nodes, container.nodes, "the number of nodes");
    if (record.next_node < container.next_node) expect(record.next_node, container.next_node, "the next node's number");
    if (changed) fixes_.Put(format::container_key(id), format::encode(record));
  }
}

Status Checker::judge_space() {
  ROSS_STATUS(each(KeyKind::kSpace, [&](std::string_view key, std::string_view) {
    format::Reader in(key.substr(1));
    const auto device = in.big<std::uint8_t>();
    const auto chunk = in.big<std::uint32_t>();
    const bool good = in.done() && device < claimed_.size() &&
                      std::uint64_t{chunk} * format::kSpaceChunkBlocks < claimed_[device].size();
    if (!good) drop_record(key, "space map", "a part of the map belongs to no device");
  }));
  // What a container that is being destroyed still holds is claimed by its mappings like any other.
  for (std::uint32_t device = 0; device < claimed_.size(); ++device) {
    const std::vector<bool>& claimed = claimed_[device];
    for (std::uint32_t chunk = 0; std::uint64_t{chunk} * format::kSpaceChunkBlocks < claimed.size(); ++chunk) {
      std::string bits(format::kSpaceChunkBytes, '\0');
      bool any = false;
      const std::uint64_t base = std::uint64_t{chunk} * format::kSpaceChunkBlocks;
      const std::uint64_t end = std::min<std::uint64_t>(base + format::kSpaceChunkBlocks, claimed.size());
      for (std::uint64_t block = base; block < end; ++block) {
        if (!claimed[block]) continue;
        const std::uint64_t bit = block - base;
        bits[bit / 8] = static_cast<char>(static_cast<unsigned char>(bits[bit / 8]) | (1U << (bit % 8)));
        any = true;
      }
      const std::string key = format::space_key(static_cast<std::uint8_t>(device), chunk);
      auto stored = store_.get(key);
      if (!stored) return std::move(stored).error();
      if (any ? *stored == bits : !*stored) continue;
      found("space map",
            fmt::format("device {} blocks {} to {}: the map differs from what files use", device, base, end - 1), true);
      if (any) {
        fixes_.Put(key, bits);
      } else {
        fixes_.Delete(key);
      }
    }
  }
  return {};
}

}  // namespace ross::engine
