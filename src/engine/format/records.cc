#include "engine/format/records.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace ross::engine::format {
namespace {

constexpr std::size_t kContainerNameBytesMax = 255;

std::unexpected<Status> damaged(std::string_view what) {
  return fail(EIO, fmt::format("the metadata store holds a damaged {} record: run ross fsck on the pool", what));
}

}  // namespace

std::string uuid_text(const Uuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

std::string encode(const PoolRecord& record) {
  std::string out;
  append_little(out, record.version);
  out.append(reinterpret_cast<const char*>(record.uuid.data()), record.uuid.size());
  append_little(out, record.next_container);
  return out;
}

Result<PoolRecord> decode_pool(std::string_view value) {
  Reader in(value);
  PoolRecord record;
  record.version = in.little<std::uint32_t>();
  if (in.ok() && record.version != kFormatVersion && record.version != kServedVersion) {
    return fail(ENOTSUP,
                fmt::format("the pool has format version {} and this build knows {} and {}: use a matching ross",
                            record.version, kFormatVersion, kServedVersion));
  }
  const std::string_view uuid = in.bytes(record.uuid.size());
  if (in.ok()) std::memcpy(record.uuid.data(), uuid.data(), uuid.size());
  record.next_container = in.little<std::uint32_t>();
  if (!in.done()) return damaged("pool");
  return record;
}

std::string encode(const ContainerRecord& record) {
  std::string out;
  append_little(out, record.name_seed);
  append_little(out, record.next_node);
  append_little(out, record.used_blocks);
  append_little(out, record.reserved_blocks);
  append_little(out, record.used_nodes);
  append_little(out, record.quota_bytes);
  append_little(out, record.quota_nodes);
  append_little(out, record.created_ns);
  append_little(out, static_cast<std::uint8_t>(record.destroying));
  out.append(record.name);
  return out;
}

Result<ContainerRecord> decode_container(std::string_view value) {
  Reader in(value);
  ContainerRecord record;
  record.name_seed = in.little<std::uint64_t>();
  record.next_node = in.little<std::uint64_t>();
  record.used_blocks = in.little<std::uint64_t>();
  record.reserved_blocks = in.little<std::uint64_t>();
  record.used_nodes = in.little<std::uint64_t>();
  record.quota_bytes = in.little<std::uint64_t>();
  record.quota_nodes = in.little<std::uint64_t>();
  record.created_ns = in.little<std::int64_t>();
  record.destroying = in.little<std::uint8_t>() != 0;
  record.name = in.rest();
  if (!in.ok() || record.name.empty() || record.name.size() > kContainerNameBytesMax) return damaged("container");
  return record;
}

std::string encode(const InodeRecord& record) {
  std::string out;
  out.reserve(sizeof record);
  append_little(out, record.mode);
  append_little(out, record.links);
  append_little(out, record.uid);
  append_little(out, record.gid);
  append_little(out, record.rdev);
  append_little(out, record.size_bytes);
  append_little(out, record.blocks);
  append_little(out, record.atime_ns);
  append_little(out, record.mtime_ns);
  append_little(out, record.ctime_ns);
  append_little(out, record.btime_ns);
  append_little(out, record.parent);
  append_little(out, record.entries);
  append_little(out, record.segments_end);
  append_little(out, record.flags);
  return out;
}

Result<InodeRecord> decode_inode(std::string_view value) {
  Reader in(value);
  InodeRecord record;
  record.mode = in.little<std::uint32_t>();
  record.links = in.little<std::uint32_t>();
  record.uid = in.little<std::uint32_t>();
  record.gid = in.little<std::uint32_t>();
  record.rdev = in.little<std::uint64_t>();
  record.size_bytes = in.little<std::uint64_t>();
  record.blocks = in.little<std::uint64_t>();
  record.atime_ns = in.little<std::int64_t>();
  record.mtime_ns = in.little<std::int64_t>();
  record.ctime_ns = in.little<std::int64_t>();
  record.btime_ns = in.little<std::int64_t>();
  record.parent = in.little<std::uint64_t>();
  record.entries = in.little<std::uint64_t>();
  record.segments_end = in.little<std::uint32_t>();
  record.flags = in.little<std::uint32_t>();
  static_assert(kSegmentsMax == fs::kFileBytesMax / kBlockBytes / kSegmentBlocks);
  const bool size_fits = S_ISREG(record.mode) ? record.size_bytes <= fs::kFileBytesMax : true;
  if (!in.done() || (record.mode & S_IFMT) == 0 || !size_fits || record.segments_end > kSegmentsMax) {
    return damaged("inode");
  }
  return record;
}

std::string encode(const EntryRecord& record) {
  std::string out;
  append_little(out, record.node.value);
  append_little(out, record.type);
  return out;
}

Result<EntryRecord> decode_entry(std::string_view value) {
  Reader in(value);
  EntryRecord record;
  record.node = fs::NodeId(in.little<std::uint64_t>());
  record.type = in.little<std::uint32_t>();
  if (!in.done() || record.node.value == 0) return damaged("directory entry");
  return record;
}

std::string encode_transaction(std::uint64_t number) {
  std::string out;
  append_little(out, number);
  return out;
}

Result<std::uint64_t> decode_transaction(std::string_view value) {
  Reader in(value);
  const auto number = in.little<std::uint64_t>();
  if (!in.done()) return damaged("transaction");
  return number;
}

// Layout: u8 run count; per run u8 first block, u8 blocks - 1, u64 address (special addresses do not advance); then one u32
// checksum per stored block, in order.
std::string encode_segment(std::span<const BlockRef> blocks) {
  std::string runs;
  std::string crcs;
  std::uint8_t count = 0;
  for (std::size_t i = 0; i < blocks.size();) {
    const BlockAddress address = blocks[i].address;
    if (address == kHole) {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    const auto follows = [&](std::size_t at) {
      return blocks[at].address == (is_stored(address) ? address + (at - i) : address);
    };
    while (end < blocks.size() && follows(end)) ++end;
    runs.push_back(static_cast<char>(i));
    runs.push_back(static_cast<char>(end - i - 1));
    append_little(runs, address);
    if (is_stored(address)) {
      for (std::size_t at = i; at < end; ++at) append_little(crcs, std::uint32_t{blocks[at].crc});
    }
    ++count;
    i = end;
  }
  if (count == 0) return {};
  std::string out(1, static_cast<char>(count));
  out.reserve(1 + runs.size() + crcs.size());
  return out.append(runs).append(crcs);
}

Result<std::vector<BlockRef>> decode_segment(std::string_view value) {
  Reader in(value);
  std::vector<BlockRef> blocks;
  const std::size_t count = in.little<std::uint8_t>();
  if (count == 0 || count > kSegmentBlocks) return damaged("mapping");
  for (std::size_t run = 0; run < count; ++run) {
    const std::size_t first = in.little<std::uint8_t>();
    const std::size_t length = std::size_t{in.little<std::uint8_t>()} + 1;
    const auto address = in.little<BlockAddress>();
    if (!in.ok() || first < blocks.size() || first + length > kSegmentBlocks || address == kHole ||
        (!is_stored(address) && address > kBad)) {
      return damaged("mapping");
    }
    blocks.resize(first + length);
    for (std::size_t i = 0; i < length; ++i) {
      blocks[first + i].address = is_stored(address) ? address + i : address;
    }
  }
  for (BlockRef& block : blocks) {
    if (is_stored(block.address)) block.crc = in.little<std::uint32_t>();
  }
  if (!in.done()) return damaged("mapping");
  return blocks;
}

}  // namespace ross::engine::format
