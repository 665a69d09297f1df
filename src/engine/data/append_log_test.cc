// Goal: a block placed in the log is found until its chunk is on the device, never longer than its place is its own, and the log
// never takes more memory than it may. Method: chunks driven by hand through place, seal, write and drop.
#include "engine/data/append_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace ross::engine {
namespace {

using format::BlockAddress;
using format::kBlockBytes;
using format::kDeviceHeaderBlocks;

constexpr std::uint32_t kChunk = AppendLog::kChunkBlocks;

class AppendLogTest : public ::testing::Test {
 protected:
  explicit AppendLogTest(std::uint64_t blocks = 100'000)
      : device_blocks_{blocks}, space_(device_blocks_), log_(space_) {}
  BlockAddress place() {
    const auto placed = log_.place();
    EXPECT_TRUE(placed);
    std::memset(placed->image, static_cast<int>(format::block_of(placed->address) % 251), kBlockBytes);
    space_.reference(placed->address);
    return placed->address;
  }
  void write_all() {
    for (AppendLog::Chunk* const chunk : log_.take_full()) log_.written(*chunk, chunk->filled);
  }
  void commit() {
    space_.seal_drops();
    space_.commit_drops();
  }
  [[nodiscard]] bool holds(BlockAddress address) const {
    const std::byte* const image = log_.find(address);
    return image != nullptr && std::all_of(image, image + kBlockBytes, [&](std::byte b) {
             return b == static_cast<std::byte>(format::block_of(address) % 251);
           });
  }
  const std::vector<std::uint64_t> device_blocks_;
  Space space_;
  AppendLog log_;
};

TEST_F(AppendLogTest, BlocksAreFoundUntilTheirChunkIsWritten) {
  std::vector<BlockAddress> blocks;
  for (std::uint32_t i = 0; i < kChunk + 5; ++i) blocks.push_back(place());
  EXPECT_TRUE(log_.has_full());
  for (const BlockAddress address : blocks) ASSERT_TRUE(holds(address));
  EXPECT_EQ(log_.find(blocks.back() + 1), nullptr) << "not placed yet";
  const auto chunks = log_.take_full();
  ASSERT_EQ(chunks.size(), 1U);
  EXPECT_FALSE(log_.has_full());
  EXPECT_TRUE(holds(blocks.front())) << "also while it is being written";
  EXPECT_EQ(log_.find_open(blocks.front()), nullptr) << "but it may not change any more";
  log_.written(*chunks[0], chunks[0]->filled);
  EXPECT_EQ(log_.find(blocks.front()), nullptr);
  EXPECT_TRUE(holds(blocks.back()));
  EXPECT_NE(log_.find_open(blocks.back()), nullptr);
}

TEST_F(AppendLogTest, WhatACommitNamedIsNotChangedInPlace) {
  const BlockAddress sealed = place();
  log_.open()->sealed = log_.open()->filled;
  const BlockAddress fresh = place();
  EXPECT_EQ(log_.find_open(sealed), nullptr);
  EXPECT_NE(log_.find(sealed), nullptr);
  EXPECT_NE(log_.find_open(fresh), nullptr);
}

TEST_F(AppendLogTest, ItsMemoryIsBounded) {
  std::size_t placed = 0;
  for (;; ++placed) {
    const auto block = log_.place();
    if (!block) {
      EXPECT_EQ(block.error().error(), EAGAIN);
      break;
    }
    ASSERT_LE(placed, AppendLog::kChunksMax * kChunk);
    space_.reference(block->address);
  }
  EXPECT_GE(placed, (AppendLog::kChunksMax - 1) * kChunk);
  EXPECT_FALSE(log_.has_room(1));
  write_all();
  EXPECT_TRUE(log_.has_room(16));
  EXPECT_TRUE(log_.place());
}

TEST_F(AppendLogTest, RoomIsThereWhenItSaysSo) {
  for (int i = 0; i < 5000; ++i) {
    const std::uint32_t wanted = 1 + static_cast<std::uint32_t>(i * 7) % 16;
    if (!log_.has_room(wanted)) {
      ASSERT_TRUE(log_.has_full());
      write_all();
      ASSERT_TRUE(log_.has_room(wanted));
    }
    for (std::uint32_t at = 0; at < wanted; ++at) place();
  }
}

TEST_F(AppendLogTest, APartOfTheOpenChunkIsWritten) {
  const BlockAddress first = place();
  const BlockAddress second = place();
  AppendLog::Chunk& open = *log_.open();
  const std::uint32_t upto = open.filled;
  const BlockAddress third = place();
  log_.written(open, upto);
  EXPECT_EQ(open.written, upto);
  for (const BlockAddress address : {first, second, third})
    EXPECT_TRUE(holds(address)) << "the image serves the whole chunk";
  log_.close_open();
  write_all();
  EXPECT_EQ(log_.find(third), nullptr);
}

TEST_F(AppendLogTest, AClosedChunkGivesBackWhatItDidNotUse) {
  const BlockAddress block = place();
  log_.close_open();
  log_.close_open();
  EXPECT_EQ(log_.open(), nullptr);
  EXPECT_TRUE(holds(block));
  std::uint64_t free = 0;
  while (const auto extent = space_.allocate(1000)) free += extent->blocks;
  EXPECT_EQ(free, space_.total_blocks() - 1);
  write_all();
}

TEST_F(AppendLogTest, DeferredBlocksAreObsoleteOnceWritten) {
  const BlockAddress block = place();
  log_.open()->deferred.push_back(block);
  EXPECT_FALSE(log_.has_obsolete());
  log_.close_open();
  write_all();
  EXPECT_TRUE(log_.has_obsolete());
  EXPECT_EQ(log_.take_obsolete(), std::vector<BlockAddress>{block});
  EXPECT_FALSE(log_.has_obsolete());
}

class TinyAppendLogTest : public AppendLogTest {
 protected:
  TinyAppendLogTest() : AppendLogTest(kDeviceHeaderBlocks + 4) {}
};

// A late write of the chunk must not land on somebody else's data.
TEST_F(TinyAppendLogTest, ADroppedBlockIsNotReusedBeforeItsChunkIsWritten) {
  std::vector<BlockAddress> blocks;
  for (int i = 0; i < 4; ++i) blocks.push_back(place());
  EXPECT_EQ(log_.place().error().error(), ENOSPC);
  log_.drop(blocks[1]);
  EXPECT_FALSE(space_.is_referenced(blocks[1]));
  commit();
  EXPECT_FALSE(space_.allocate(1)) << "its image has yet to be written";
  log_.close_open();
  write_all();
  EXPECT_FALSE(space_.allocate(1)) << "its drop has yet to be committed";
  commit();
  const auto again = space_.allocate(1);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->address, blocks[1]);
  log_.drop(blocks[2]);
  commit();
  EXPECT_TRUE(space_.allocate(1)) << "one whose chunk is gone waits for the commit only";
}

}  // namespace
}  // namespace ross::engine
