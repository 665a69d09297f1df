// Goal: what is encoded decodes to the same, and no bytes from outside make a decoder crash, read past its end or hand out values
// that the engine cannot bear. Method: round trips, every truncation and extension of every record, single changed bytes,
// seeded random bytes (also under the sanitizers).
#include "engine/format/records.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <set>

#include "engine/format/superblock.h"

namespace ross::engine::format {
namespace {

PoolRecord pool_record() {
  PoolRecord record{.uuid = {}, .next_container = 77};
  for (std::size_t i = 0; i < record.uuid.size(); ++i) record.uuid[i] = static_cast<std::uint8_t>(i * 17);
  return record;
}

ContainerRecord container_record() {
  return {.name = std::string("na\xff me"),
          .name_seed = 1,
          .next_node = 2,
          .used_blocks = 3,
          .reserved_blocks = 4,
          .used_nodes = 5,
          .quota_bytes = 6,
          .quota_nodes = 7,
          .created_ns = -8,
          .destroying = true};
}

InodeRecord inode_record() {
  return {.mode = S_IFREG | 0644,
          .links = 1,
          .uid = 2,
          .gid = 3,
          .rdev = 4,
          .size_bytes = fs::kFileBytesMax,
          .blocks = 6,
          .atime_ns = -7,
          .mtime_ns = 8,
          .ctime_ns = 9,
          .btime_ns = 10,
          .parent = 11,
          .entries = 12,
          .segments_end = kSegmentsMax,
          .flags = 13};
}

std::vector<BlockRef> segment_of(std::initializer_list<std::pair<std::uint32_t, BlockAddress>> blocks) {
  std::vector<BlockRef> refs;
  for (const auto& [at, address] : blocks) {
    refs.resize(at + 1);
    refs[at] = {.address = address, .crc = is_stored(address) ? at * 1000 + 7 : 0};
  }
  return refs;
}

bool same(const std::vector<BlockRef>& a, const std::vector<BlockRef>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].address != b[i].address || a[i].crc != b[i].crc) return false;
  }
  return true;
}

TEST(RecordsTest, RoundTrips) {
  const auto pool = decode_pool(encode(pool_record()));
  ASSERT_TRUE(pool);
  EXPECT_EQ(pool->uuid, pool_record().uuid);
  EXPECT_EQ(pool->next_container, 77U);

  const auto container = decode_container(encode(container_record()));
  ASSERT_TRUE(container);
  EXPECT_EQ(encode(*container), encode(container_record()));
  EXPECT_EQ(container->name, container_record().name);
  EXPECT_EQ(container->created_ns, -8);
  EXPECT_EQ(container->reserved_blocks, 4U);
  EXPECT_TRUE(container->destroying);

  const auto inode = decode_inode(encode(inode_record()));
  ASSERT_TRUE(inode);
  EXPECT_EQ(encode(*inode), encode(inode_record()));
  EXPECT_EQ(inode->size_bytes, fs::kFileBytesMax);
  EXPECT_EQ(inode->atime_ns, -7);
  EXPECT_EQ(inode->segments_end, kSegmentsMax);

  const auto entry = decode_entry(encode(EntryRecord{.node = fs::NodeId(99), .type = S_IFDIR}));
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->node, fs::NodeId(99));
  EXPECT_EQ(entry->type, static_cast<std::uint32_t>(S_IFDIR));
}

TEST(RecordsTest, SegmentsOfEveryShape) {
  std::vector<BlockRef> full(kSegmentBlocks);
  for (std::uint32_t i = 0; i < kSegmentBlocks; ++i) full[i] = {.address = 1000 + i, .crc = i};
  std::vector<BlockRef> scattered(kSegmentBlocks);
  for (std::uint32_t i = 0; i < kSegmentBlocks; ++i)
    scattered[i] = {.address = make_address(i % 3, 9000 - 2 * i), .crc = ~i};
  const std::vector<std::vector<BlockRef>> shapes = {
      segment_of({{0, 16}}),
      segment_of({{63, 16}}),
      segment_of({{5, 100}, {6, 101}, {7, 103}, {20, kReserved}, {21, kReserved}, {22, kBad}, {23, 104}}),
      segment_of({{0, kBad}}),
      segment_of({{0, make_address(31, 1)}, {1, make_address(31, 2)}}),
      full,
      scattered,
  };
  for (const auto& shape : shapes) {
    const auto decoded = decode_segment(encode_segment(shape));
    ASSERT_TRUE(decoded);
    EXPECT_TRUE(same(*decoded, shape));
  }
  EXPECT_EQ(encode_segment(full).size(), 1 + 10 + 64 * 4U) << "one run";
  EXPECT_EQ(encode_segment(std::vector<BlockRef>(kSegmentBlocks)), "") << "holes cost nothing";
  std::vector<BlockRef> trailing = segment_of({{3, 50}});
  trailing.resize(kSegmentBlocks);
  EXPECT_EQ(encode_segment(trailing), encode_segment(segment_of({{3, 50}})));
}

// Every decoder, with a good example and whether the text at its end may have any length.
struct Decoder {
  std::string name;
  std::string good;
  std::function<int(std::string_view)> decode;  // the errno
  std::size_t tail = 0;                         // this many bytes and more may follow
};

template <class Decode>
Decoder decoder(std::string name, std::string good, Decode decode, std::size_t tail = 0) {
  return {std::move(name), std::move(good),
          [decode](std::string_view bytes) {
            auto result = decode(bytes);
            return result ? 0 : result.error().error();
          },
          tail};
}

std::vector<Decoder> decoders() {
  const ContainerRecord container = container_record();
  return {
      decoder("pool", encode(pool_record()), decode_pool),
      decoder("container", encode(container), decode_container, container.name.size() - 1),
      decoder("inode", encode(inode_record()), decode_inode),
      decoder("entry", encode(EntryRecord{.node = fs::NodeId(99), .type = S_IFDIR}), decode_entry),
      decoder("segment", encode_segment(segment_of({{5, 100}, {6, 101}, {9, kReserved}, {12, 900}})), decode_segment),
      decoder("superblock",
              encode(Superblock{.created_ns = 5,
                                .devices = {{.owned = true, .size_bytes = 1 << 24, .path = "data0"},
                                            {.kind = DeviceKind::kRam, .size_bytes = 1 << 24, .path = "/dev/shm/x"}}}),
              decode_superblock),
      decoder("device header", encode(DeviceHeader{.index = 3, .size_bytes = 1 << 24}), decode_device_header)};
}

TEST(RecordsTest, EveryTruncationIsDamage) {
  for (const Decoder& one : decoders()) {
    SCOPED_TRACE(one.name);
    EXPECT_EQ(one.decode(one.good), 0);
    for (std::size_t size = 0; size + one.tail < one.good.size(); ++size) {
      // A copy of exactly this size, so that the address sanitizer sees a read behind it.
      const std::vector<char> cut(one.good.begin(), one.good.begin() + static_cast<std::ptrdiff_t>(size));
      ASSERT_EQ(one.decode({cut.data(), cut.size()}), EIO) << size;
    }
  }
}

TEST(RecordsTest, WhatFollowsIsDamage) {
  for (const Decoder& one : decoders()) {
    if (one.tail != 0 || one.good.size() >= kBlockBytes) continue;  // a name; headers are cut from larger reads
    EXPECT_EQ(one.decode(one.good + '\0'), EIO) << one.name;
  }
  std::string long_name = encode(container_record()) + std::string(256, 'x');
  EXPECT_EQ(decode_container(long_name).error().error(), EIO);
}

TEST(RecordsTest, ChangedAndRandomBytesAreDecodedOrRefused) {
  std::uint64_t state = 7;
  const auto random = [&state] {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::uint32_t>(state >> 33);
  };
  for (const Decoder& one : decoders()) {
    SCOPED_TRACE(one.name);
    const bool sealed = one.good.size() >= kBlockBytes;  // by a checksum
    for (int i = 0; i < 3000; ++i) {
      std::string bytes = one.good;
      const std::size_t at = random() % bytes.size();
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
      const int error = one.decode(bytes);
      ASSERT_TRUE(error == EIO || error == ENOTSUP || (error == EINVAL && at < 8) || (error == 0 && !sealed)) << at;
    }
    for (int i = 0; i < 3000; ++i) {
      std::string bytes(random() % 120, '\0');
      for (char& c : bytes) c = static_cast<char>(random());
      const int error = one.decode(bytes);
      ASSERT_TRUE(error == 0 || error == EIO || error == ENOTSUP || error == EINVAL);
      ASSERT_TRUE(error != 0 || !sealed);
    }
  }
}

// What decodes is safe to use: indices inside the segment, addresses that stand for something, sizes in bounds.
TEST(RecordsTest, WhatDecodesIsInBounds) {
  std::uint64_t state = 11;
  const auto random = [&state] {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::uint32_t>(state >> 33);
  };
  int decoded = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes =
        encode_segment(segment_of({{random() % 30, 100 + random() % 9}, {32 + random() % 32, random() % 3 + 1}}));
    for (std::uint32_t flips = random() % 3; flips > 0; --flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const auto blocks = decode_segment(bytes);
    if (!blocks) continue;
    ++decoded;
    ASSERT_LE(blocks->size(), kSegmentBlocks);
    for (const BlockRef& ref : *blocks) ASSERT_TRUE(is_stored(ref.address) || ref.address <= kBad);
  }
  EXPECT_GT(decoded, 1000);

  InodeRecord inode = inode_record();
  inode.size_bytes = fs::kFileBytesMax + 1;
  EXPECT_FALSE(decode_inode(encode(inode)));
  inode = inode_record();
  inode.segments_end = kSegmentsMax + 1;
  EXPECT_FALSE(decode_inode(encode(inode)));
  inode = inode_record();
  inode.mode = 0644;
  EXPECT_FALSE(decode_inode(encode(inode))) << "no type";
  EXPECT_FALSE(decode_entry(encode(EntryRecord{.node = fs::NodeId(0), .type = S_IFREG})));
}

TEST(RecordsTest, HostileSegments) {
  const auto run = [](std::uint8_t first, std::uint8_t length_less_one, BlockAddress address) {
    std::string out(1, static_cast<char>(first));
    out.push_back(static_cast<char>(length_less_one));
    append_little(out, address);
    return out;
  };
  const std::string crc(4, '\0');
  EXPECT_TRUE(decode_segment("\x01" + run(63, 0, 100) + crc));
  EXPECT_FALSE(decode_segment("\x01" + run(63, 1, 100) + crc + crc)) << "over the end";
  EXPECT_FALSE(decode_segment("\x01" + run(200, 0, 100) + crc)) << "behind the end";
  EXPECT_FALSE(decode_segment("\x01" + run(0, 255, kReserved))) << "too long";
  EXPECT_FALSE(decode_segment("\x02" + run(5, 3, 100) + run(7, 0, 200) + std::string(20, '\0'))) << "runs overlap";
  EXPECT_FALSE(decode_segment("\x02" + run(5, 0, 100) + run(4, 0, 200) + crc + crc)) << "runs go back";
  EXPECT_FALSE(decode_segment("\x01" + run(0, 0, kHole))) << "a hole is no run";
  EXPECT_FALSE(decode_segment("\x01" + run(0, 0, 5) + crc)) << "an address of nothing";
  EXPECT_FALSE(decode_segment(std::string(1, '\0'))) << "no runs";
  EXPECT_FALSE(decode_segment("\x41" + std::string(650, '\1'))) << "more runs than blocks";
}

TEST(KeysTest, SortInNumericOrderAndDoNotMix) {
  const NodeKey a{ContainerId(1), fs::NodeId(255)};
  const NodeKey b{ContainerId(1), fs::NodeId(256)};
  const NodeKey c{ContainerId(256), fs::NodeId(1)};
  EXPECT_LT(node_key(KeyKind::kInode, a), node_key(KeyKind::kInode, b));
  EXPECT_LT(node_key(KeyKind::kInode, b), node_key(KeyKind::kInode, c));
  EXPECT_LT(segment_key(a, 255), segment_key(a, 256));
  EXPECT_LT(segment_key(a, UINT32_MAX), segment_key(b, 0));
  EXPECT_LT(entry_key(a, 1, "zzz"), entry_key(a, 2, "a"));
  EXPECT_LT(entry_key(a, UINT64_MAX >> 1, "zzz"), entry_key(b, 0, ""));
  EXPECT_LT(space_key(0, UINT32_MAX), space_key(1, 0));
  EXPECT_LT(deferred_key(1, 5), deferred_key(1, 256));
  EXPECT_EQ(node_key(KeyKind::kInode, a).size(), kNodePrefixBytes);
  EXPECT_EQ(entry_key(a, 1, "").size(), kEntryHeaderBytes);
  EXPECT_TRUE(entry_key(a, 1, "n").starts_with(entry_prefix(a)));
  EXPECT_FALSE(entry_key(b, 1, "n").starts_with(entry_prefix(a)));
}

TEST(KeysTest, NameHashesSpreadAreKeyedAndNeverZero) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    for (int i = 0; i < 5000; ++i) {
      const std::uint64_t hash = name_hash(seed, "name" + std::to_string(i));
      EXPECT_NE(hash, 0U);
      EXPECT_EQ(hash >> 63, 0U) << "it is a cursor: 63 bits";
      seen.insert(hash);
    }
  }
  EXPECT_EQ(seen.size(), 20000U);
  for (std::size_t size = 0; size <= 255; ++size) seen.insert(name_hash(1, std::string(size, '\0')));
  EXPECT_EQ(seen.size(), 20256U) << "length counts";
  EXPECT_EQ(name_hash(5, "x"), name_hash(5, "x"));
}

TEST(SuperblockTest, RoundTrip) {
  Superblock superblock{.uuid = pool_record().uuid, .created_ns = -5, .devices = {}};
  for (std::size_t i = 0; i < kDevicesMax; ++i) {
    superblock.devices.push_back({.kind = static_cast<DeviceKind>(i % 3),
                                  .owned = i % 2 == 0,
                                  .size_bytes = (i + 1) << 20,
                                  .path = std::string(kDevicePathBytesMax, static_cast<char>('a' + i % 26))});
  }
  const std::string bytes = encode(superblock);
  EXPECT_EQ(bytes.size(), kSuperblockBytes);
  const auto decoded = decode_superblock(bytes);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(encode(*decoded), bytes);
  ASSERT_EQ(decoded->devices.size(), kDevicesMax);
  EXPECT_EQ(decoded->devices[31].path, superblock.devices[31].path);
  EXPECT_EQ(decoded->devices[30].owned, true);

  const auto header =
      decode_device_header(encode(DeviceHeader{.uuid = pool_record().uuid, .index = 31, .size_bytes = 1 << 30}));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->uuid, pool_record().uuid);
  EXPECT_EQ(header->index, 31U);
  EXPECT_EQ(header->size_bytes, 1U << 30);
}

}  // namespace
}  // namespace ross::engine::format
