// The keys of the metadata store. Integers in keys are big-endian, so that a scan goes in numeric order.
// docs/formats/pool.md shows every layout to the byte. Threading: any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/format/bytes.h"
#include "fs/types.h"

namespace ross::engine::format {

struct ContainerTag;
using ContainerId = StrongId<ContainerTag, std::uint32_t>;

// A node of a container: what inodes, links, xattrs, orphans and segments are keyed by.
struct NodeKey {
  ContainerId container;
  fs::NodeId node;
  friend auto operator<=>(const NodeKey&, const NodeKey&) = default;
  template <class H>
  friend H AbslHashValue(H state, const NodeKey& key) {
    return H::combine(std::move(state), key.container.value, key.node.value);
  }
};

enum class KeyKind : char {
  kPool = 'P',
  kContainer = 'C',
  kContainerName = 'c',
  kEntry = 'E',
  kInode = 'I',
  kSymlink = 'L',
  kXattr = 'X',
  kOrphan = 'O',
  kSegment = 'M',
  kSpace = 'F',
  kDeferred = 'W',
  kIsolated = 'B',  // a block set apart by fsck: taken for ever
  // Only in pools of version 2, which serve clients:
  kClient = 'A',
  kRemembered = 'R',
  kTransaction = 'T',
};

inline std::string key_of(KeyKind kind) { return std::string(1, static_cast<char>(kind)); }
inline std::string pool_key() { return key_of(KeyKind::kPool); }
inline std::string transaction_key() { return key_of(KeyKind::kTransaction); }
inline std::string container_key(ContainerId id) {
  std::string key = key_of(KeyKind::kContainer);
  append_big(key, id.value);
  return key;
}
inline std::string container_name_key(std::string_view name) { return key_of(KeyKind::kContainerName).append(name); }
inline std::string node_key(KeyKind kind, NodeKey node) {
  std::string key;
  key.reserve(32);
  key.push_back(static_cast<char>(kind));
  append_big(key, node.container.value);
  append_big(key, node.node.value);
  return key;
}
inline std::string entry_prefix(NodeKey directory) { return node_key(KeyKind::kEntry, directory); }
inline std::string entry_key(NodeKey directory, std::uint64_t hash, std::string_view name) {
  std::string key;
  key.reserve(21 + name.size());
  key = entry_prefix(directory);
  append_big(key, hash);
  key.append(name);
  return key;
}
inline std::string xattr_key(NodeKey node, std::string_view name) {
  return node_key(KeyKind::kXattr, node).append(name);
}
inline std::string segment_key(NodeKey node, std::uint32_t segment) {
  std::string key = node_key(KeyKind::kSegment, node);
  append_big(key, segment);
  return key;
}
inline std::string space_key(std::uint8_t device, std::uint32_t chunk) {
  std::string key = key_of(KeyKind::kSpace);
  append_big(key, device);
  append_big(key, chunk);
  return key;
}
inline std::string block_key(KeyKind kind, std::uint8_t device, std::uint64_t block) {
  std::string key = key_of(kind);
  append_big(key, device);
  append_big(key, block);
  return key;
}
inline std::string deferred_key(std::uint8_t device, std::uint64_t block) {
  return block_key(KeyKind::kDeferred, device, block);
}
inline std::string isolated_key(std::uint8_t device, std::uint64_t block) {
  return block_key(KeyKind::kIsolated, device, block);
}
inline constexpr std::size_t kNodePrefixBytes = 13;   // kind, container, node
inline constexpr std::size_t kEntryHeaderBytes = 21;  // and the hash

// The place of a name in its directory's order: 63 bits, never 0, keyed per container so that no one can choose
// names that collide.
std::uint64_t name_hash(std::uint64_t container_seed, std::string_view name);

}  // namespace ross::engine::format
