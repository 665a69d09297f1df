// The values of the metadata store and their codecs. Decoders take bytes from a disk that may lie: they check every length
// and range and answer EIO with what is damaged.
//
// docs/formats/pool.md shows every layout to the byte. Threading: immutable values.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/format/address.h"
#include "engine/format/keys.h"
#include "fs/types.h"

namespace ross::engine::format {

// A pool of a version that is not known here is refused: what it means is not known either. A pool is made as version 1, and its
// superblock and its devices stay that.
inline constexpr std::uint32_t kFormatVersion = 1;
// What the pool record says once the pool was opened to serve clients: it may hold records of clients and have a kept log
// beside the store, which an older build would leave behind.
inline constexpr std::uint32_t kServedVersion = 2;

using Uuid = std::array<std::uint8_t, 16>;
std::string uuid_text(const Uuid& uuid);

struct PoolRecord {
  std::uint32_t version = kFormatVersion;
  Uuid uuid{};
  std::uint32_t next_container = 1;
};

struct ContainerRecord {
  std::string name;
  std::uint64_t name_seed = 0;        // keys name_hash
  std::uint64_t next_node = 2;        // above every node ever committed
  std::uint64_t used_blocks = 0;      // stored or reserved
  std::uint64_t reserved_blocks = 0;  // of these, reserved
  std::uint64_t used_nodes = 0;
  std::uint64_t quota_bytes = 0;
  std::uint64_t quota_nodes = 0;
  std::int64_t created_ns = 0;
  bool destroying = false;  // its content is being reclaimed; it has no name any more
};

struct InodeRecord {
  std::uint32_t mode = 0;
  std::uint32_t links = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t rdev = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t blocks = 0;  // stored or reserved
  std::int64_t atime_ns = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::int64_t btime_ns = 0;
  std::uint64_t parent = 0;        // directories: where they hang
  std::uint64_t entries = 0;       // directories: how many
  std::uint32_t segments_end = 0;  // no segment record at or above this
  std::uint32_t flags = 0;
  static constexpr std::uint32_t kHasXattrs = 1;
  // The last block holds bytes past the end that are not zero: they are cleared before the file grows over them.
  static constexpr std::uint32_t kTailDirty = 2;
  // A truncate could not free all it cut off (a damaged mapping): the file may not grow.
  static constexpr std::uint32_t kTailStuck = 4;
};
static_assert(sizeof(InodeRecord) == 96, "a million of these are cached");

struct EntryRecord {
  fs::NodeId node;
  std::uint32_t type = 0;  // S_IFMT bits
};

std::string encode(const PoolRecord& record);
std::string encode(const ContainerRecord& record);
std::string encode(const InodeRecord& record);
std::string encode(const EntryRecord& record);
// The number of the last transaction in the store: value of transaction_key().
std::string encode_transaction(std::uint64_t number);
// blocks holds at most kSegmentBlocks; trailing holes cost nothing. Empty when every block is a hole.
std::string encode_segment(std::span<const BlockRef> blocks);

Result<PoolRecord> decode_pool(std::string_view value);
Result<ContainerRecord> decode_container(std::string_view value);
Result<InodeRecord> decode_inode(std::string_view value);
Result<EntryRecord> decode_entry(std::string_view value);
Result<std::uint64_t> decode_transaction(std::string_view value);
Result<std::vector<BlockRef>> decode_segment(std::string_view value);

}  // namespace ross::engine::format
