// Goal: a read sees the open transaction before the committing one before the store, a scan merges the three without losing or
// repeating a key, and the table of nodes agrees with them. Method: every combination of the three for one key, then
// seeded random changes against a plain map.
#include "engine/meta/meta_store.h"

#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include <map>

#include "engine/meta/node_table.h"

namespace ross::engine {
namespace {

class MetaStoreTest : public ::testing::Test {
 protected:
  MetaStoreTest() : env_(rocksdb::NewMemEnv(rocksdb::Env::Default())) {
    store_ = *MetaStore::open("/store", {.env = env_.get(), .create = true});
  }
  void seal() {
    batch_.Clear();
    store_->seal(batch_);
  }
  void finish() {
    ASSERT_TRUE(store_->write(batch_).ok());
    store_->settle();
  }
  void commit() {
    seal();
    finish();
  }
  std::map<std::string, std::string> scan(std::string_view prefix, std::string_view from = {}) {
    std::map<std::string, std::string> found;
    std::string last;
    EXPECT_TRUE(store_
                    ->scan(prefix, from,
                           [&](std::string_view key, std::string_view value) {
                             EXPECT_TRUE(last.empty() || last < key) << "out of order, or twice";
                             last = key;
                             found.emplace(key, value);
                             return true;
                           })
                    .ok());
    return found;
  }
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<MetaStore> store_;
  rocksdb::WriteBatch batch_;
};

TEST_F(MetaStoreTest, EveryCombinationOfTheThree) {
  enum Way { kAbsent, kPut, kErased };
  const auto name = [](int stored, int committing, int open) {
    return "k" + std::to_string(stored) + std::to_string(committing) + std::to_string(open);
  };
  const auto change = [&](const std::string& key, int way, const std::string& value) {
    if (way == kPut) store_->put(key, value);
    if (way == kErased) store_->erase(key);
  };
  const auto for_all = [](const auto& visit) {
    for (const int stored : {kAbsent, kPut}) {
      for (const int committing : {kAbsent, kPut, kErased}) {
        for (const int open : {kAbsent, kPut, kErased}) visit(stored, committing, open);
      }
    }
  };
  store_->put("j", "before");
  store_->put("l", "behind");
  for_all([&](int s, int c, int o) { change(name(s, c, o), s, "stored"); });
  commit();
  for_all([&](int s, int c, int o) { change(name(s, c, o), c, "committing"); });
  seal();
  for_all([&](int s, int c, int o) { change(name(s, c, o), o, "open"); });

  std::map<std::string, std::string> expected;
  for_all([&](int s, int c, int o) {
    if (o == kPut) expected[name(s, c, o)] = "open";
    if (o != kAbsent) return;
    if (c == kPut) expected[name(s, c, o)] = "committing";
    if (c != kAbsent) return;
    if (s == kPut) expected[name(s, c, o)] = "stored";
  });
  const auto check = [&] {
    EXPECT_EQ(scan("k"), expected);
    for_all([&](int s, int c, int o) {
      const auto got = *store_->get(name(s, c, o));
      const auto wanted = expected.find(name(s, c, o));
      EXPECT_EQ(got, wanted == expected.end() ? std::nullopt : std::optional(wanted->second)) << name(s, c, o);
    });
  };
  check();
  finish();
  check();
  commit();
  check();
  EXPECT_EQ(store_->open_changes(), 0U);
}

TEST_F(MetaStoreTest, ScansKeepToTheirPrefixAndStop) {
  for (const char* key : {"a", "b", "b\xff", "b\xff\xff", "c"}) store_->put(key, key);
  commit();
  store_->put("bx", "bx");
  EXPECT_EQ(scan("b").size(), 4U);
  EXPECT_EQ(scan("b\xff").size(), 2U);
  EXPECT_EQ(scan("\xff").size(), 0U);
  EXPECT_EQ(scan("").size(), 6U);
  EXPECT_EQ(scan("b", "bx").size(), 3U);
  EXPECT_EQ(scan("b", "c").size(), 0U);
  EXPECT_EQ(scan("b", "a").size(), 4U) << "from before the prefix is from its beginning";
  int visits = 0;
  EXPECT_TRUE(store_->scan("b", {}, [&](auto, auto) { return ++visits < 2; }).ok());
  EXPECT_EQ(visits, 2);
}

TEST_F(MetaStoreTest, RandomChangesAgreeWithAMap) {
  std::map<std::string, std::string> model;
  std::uint64_t state = 3;
  const auto random = [&state](std::uint64_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % below;
  };
  bool sealed = false;
  for (int step = 0; step < 3000; ++step) {
    const std::string key = std::string(1, static_cast<char>('a' + random(3))) + std::to_string(random(40));
    switch (random(6)) {
      case 0:
      case 1:
      case 2:
        store_->put(key, std::to_string(step)), model[key] = std::to_string(step);
        break;
      case 3:
        store_->erase(key), model.erase(key);
        break;
      case 4:
        if (random(10) == 0) {
          sealed ? finish() : seal();
          sealed = !sealed;
        }
        break;
      default: {
        const std::string prefix(1, static_cast<char>('a' + random(3)));
        const std::string from = prefix + std::to_string(random(40));
        std::map<std::string, std::string> expected;
        for (auto at = model.lower_bound(from); at != model.end() && at->first.starts_with(prefix); ++at)
          expected.insert(*at);
        ASSERT_EQ(scan(prefix, from), expected) << step;
      }
    }
  }
}

class NodeTableTest : public MetaStoreTest {
 protected:
  static format::NodeKey key(std::uint64_t node) { return {format::ContainerId(1), fs::NodeId(node)}; }
  static format::InodeRecord file() { return {.mode = S_IFREG | 0644, .links = 1}; }
  void commit_nodes() {
    batch_.Clear();
    store_->seal(batch_);
    nodes_.seal(batch_);
    finish();
    nodes_.settle();
  }
  const std::vector<std::uint64_t> device_blocks_{10'000};
  Space space_{device_blocks_};
  NodeTable nodes_{*store_, space_, 4096};  // so little that trim() evicts whatever it may
};

TEST_F(NodeTableTest, WhatIsInUseStaysAndWhatWentComesBack) {
  Inode* const pinned = nodes_.insert(key(2), file());
  Inode* const open = nodes_.insert(key(3), file());
  nodes_.pin(*pinned);
  nodes_.opened(*open);
  for (std::uint64_t node = 10; node < 200; ++node)
    nodes_.insert(key(node), file())->record.uid = static_cast<std::uint32_t>(node);
  nodes_.trim();
  EXPECT_EQ(nodes_.size(), 192U) << "dirty ones stay";
  commit_nodes();
  nodes_.trim();
  EXPECT_LT(nodes_.size(), 20U);
  EXPECT_LE(nodes_.memory_bytes(), 4096U + 2 * (sizeof(Inode) + 64));
  EXPECT_EQ(*nodes_.find(key(2)), pinned);
  EXPECT_EQ(*nodes_.find(key(3)), open);
  for (std::uint64_t node = 10; node < 200; ++node) {
    ASSERT_EQ((*nodes_.find(key(node)))->record.uid, node);
    nodes_.trim();
  }
  nodes_.unpin(*pinned);
  nodes_.closed(*open);
  EXPECT_EQ(nodes_.find(key(999)).error().error(), ESTALE);
}

TEST_F(NodeTableTest, AGoneNodeIsStaleBeforeAndAfterItsCommit) {
  nodes_.mark_gone(*nodes_.insert(key(2), file()));
  EXPECT_EQ(nodes_.find(key(2)).error().error(), ESTALE);
  commit_nodes();
  nodes_.trim();
  EXPECT_EQ(nodes_.find(key(2)).error().error(), ESTALE);
}

TEST_F(NodeTableTest, SegmentsAreKeptEvictedAndFound) {
  Inode* inode = nodes_.insert(key(2), file());
  std::map<std::uint32_t, format::BlockAddress> mapped;
  for (const std::uint32_t index : {0U, 3U, 4U, 1000U, 70'000U}) {
    const format::BlockAddress address = space_.allocate(1)->address;
    space_.reference(address);
    nodes_.set_block(**nodes_.segment_for_write(*inode, index), 5, {.address = address, .crc = index});
    mapped[index] = address;
  }
  EXPECT_EQ(inode->record.segments_end, 70'001U);
  const auto check = [&] {
    inode = *nodes_.find(key(2));
    EXPECT_EQ(*nodes_.segments_from(*inode, 0, 100), (std::vector<std::uint32_t>{0, 3, 4, 1000, 70'000}));
    EXPECT_EQ(*nodes_.segments_from(*inode, 4, 2), (std::vector<std::uint32_t>{4, 1000}));
    for (const auto& [index, address] : mapped) {
      const Segment* const segment = *nodes_.segment(*inode, index);
      ASSERT_NE(segment, nullptr);
      EXPECT_EQ(format::BlockAddress{segment->at(5).address}, address);
      EXPECT_EQ(format::BlockAddress{segment->at(6).address}, format::kHole);
    }
    EXPECT_EQ(*nodes_.segment(*inode, 80'000), nullptr);
  };
  check();
  commit_nodes();
  check();
  for (std::uint64_t node = 10; node < 100; ++node) nodes_.insert(key(node), file());
  commit_nodes();
  nodes_.trim();
  check();
  // One emptied, one new, neither committed: the listing knows.
  nodes_.set_block(**nodes_.segment(*inode, 3), 5, {});
  nodes_.set_block(**nodes_.segment_for_write(*inode, 7), 0, {.address = format::kReserved, .crc = 0});
  EXPECT_EQ(*nodes_.segments_from(*inode, 0, 100), (std::vector<std::uint32_t>{0, 4, 7, 1000, 70'000}));
}

TEST_F(NodeTableTest, AMappingToAFreeBlockIsDamage) {
  format::InodeRecord record = file();
  record.segments_end = 1;
  nodes_.insert(key(2), record);
  const std::vector<format::BlockRef> blocks = {{.address = format::make_address(0, 500), .crc = 1}};
  store_->put(format::segment_key(key(2), 0), format::encode_segment(blocks));
  EXPECT_EQ(nodes_.segment(**nodes_.find(key(2)), 0).error().error(), EIO);
}

}  // namespace
}  // namespace ross::engine
