// Goal: a block is handed out only when nobody holds it, and comes back exactly when the last commit and the last reader that could
// see it are done. Method: edge cases one by one, then seeded random operations against a plain model that knows the
// state of every block.
#include "engine/space/space.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace ross::engine {
namespace {

using format::BlockAddress;
using format::kDeviceHeaderBlocks;
using format::make_address;

std::unique_ptr<Space> space_of(std::vector<std::uint64_t> device_blocks) {
  return std::make_unique<Space>(device_blocks);
}

TEST(SpaceTest, HeadersAreNeverGivenAway) {
  const auto space = space_of({100, 50});
  EXPECT_EQ(space->total_blocks(), 100 + 50 - 2 * kDeviceHeaderBlocks);
  std::set<BlockAddress> taken;
  for (;;) {
    const auto extent = space->allocate(7);
    if (!extent) {
      EXPECT_EQ(extent.error().error(), ENOSPC);
      break;
    }
    ASSERT_GE(extent->blocks, 1U);
    ASSERT_LE(extent->blocks, 7U);
    for (std::uint32_t i = 0; i < extent->blocks; ++i) {
      const BlockAddress address = extent->address + i;
      ASSERT_TRUE(taken.insert(address).second) << "given twice";
      ASSERT_GE(format::block_of(address), kDeviceHeaderBlocks);
      ASSERT_LT(format::block_of(address), format::device_of(address) == 0 ? 100U : 50U);
    }
  }
  EXPECT_EQ(taken.size(), space->total_blocks());
}

TEST(SpaceTest, ADeviceSmallerThanItsHeaderHasNoSpace) {
  const auto space = space_of({5});
  EXPECT_EQ(space->total_blocks(), 0U);
  EXPECT_EQ(space->allocate(1).error().error(), ENOSPC);
}

TEST(SpaceTest, AFreshDeviceGivesLongRuns) {
  const auto space = space_of({100'000});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(space->allocate(1024)->blocks, 1024U);
}

TEST(SpaceTest, ADroppedBlockComesBackAfterItsCommitAndItsReaders) {
  const auto space = space_of({kDeviceHeaderBlocks + 1});
  const BlockAddress block = space->allocate(1)->address;
  space->reference(block);
  EXPECT_TRUE(space->is_referenced(block));
  Space::Generation* const before = space->begin_read();
  space->drop(block);
  EXPECT_FALSE(space->is_referenced(block));
  EXPECT_EQ(space->free_blocks(), 1U) << "on its way counts as free";
  EXPECT_TRUE(space->has_pending());
  EXPECT_FALSE(space->allocate(1)) << "the commit is not durable";
  space->seal_drops();
  EXPECT_FALSE(space->allocate(1));
  space->commit_drops();
  EXPECT_FALSE(space->allocate(1)) << "somebody still reads";
  Space::Generation* const after = space->begin_read();
  before->end_read();
  EXPECT_TRUE(space->allocate(1)) << "a read that began later does not hold it";
  after->end_read();
  EXPECT_FALSE(space->has_pending());
}

TEST(SpaceTest, AnAllocationGivenBackIsFreeAtOnce) {
  const auto space = space_of({kDeviceHeaderBlocks + 4});
  const Extent extent = *space->allocate(4);
  EXPECT_FALSE(space->allocate(1));
  space->release(extent);
  EXPECT_EQ(space->allocate(4)->blocks, 4U);
}

TEST(SpaceTest, ReservationsAreLeftAlone) {
  const auto space = space_of({kDeviceHeaderBlocks + 10});
  ASSERT_TRUE(space->reserve(8).ok());
  EXPECT_EQ(space->reserve(3).error(), ENOSPC);
  EXPECT_EQ(space->reserve(UINT64_MAX).error(), ENOSPC) << "no wrap around";
  EXPECT_EQ(space->free_blocks(), 2U);
  EXPECT_EQ(space->allocate(5)->blocks, 2U);
  EXPECT_FALSE(space->allocate(1));
  EXPECT_EQ(space->allocate(5, 3)->blocks, 3U) << "whoever reserved may";
  space->unreserve(8);
  EXPECT_EQ(space->allocate(9)->blocks, 5U);
}

TEST(SpaceTest, TheMapIsStoredAndLoaded) {
  const auto space = space_of({10'000, 5000});
  std::set<BlockAddress> referenced;
  for (int i = 0; i < 300; ++i) {
    const Extent extent = *space->allocate(1 + static_cast<std::uint32_t>(i) % 50);
    for (std::uint32_t at = 0; at < extent.blocks; at += 2) {
      space->reference(extent.address + at);
      referenced.insert(extent.address + at);
    }
  }
  const auto loaded = space_of({10'000, 5000});
  std::set<std::pair<std::uint32_t, std::uint32_t>> chunks;
  for (const Space::ChunkId& id : space->take_changed()) {
    EXPECT_TRUE(chunks.emplace(id.device, id.chunk).second) << "told twice";
    ASSERT_TRUE(loaded->load_chunk(id.device, id.chunk, space->store_chunk(id.device, id.chunk)).ok());
  }
  EXPECT_TRUE(space->take_changed().empty());
  EXPECT_EQ(loaded->free_blocks(), loaded->total_blocks() - referenced.size());
  EXPECT_EQ(loaded->device_free_blocks(0) + loaded->device_free_blocks(1), loaded->free_blocks());
  for (const BlockAddress address : referenced) EXPECT_TRUE(loaded->is_referenced(address));
  while (const auto extent = loaded->allocate(64)) {
    for (std::uint32_t i = 0; i < extent->blocks; ++i) ASSERT_FALSE(referenced.contains(extent->address + i));
  }
}

TEST(SpaceTest, ADamagedMapIsRefused) {
  const std::string bits(format::kSpaceChunkBytes, '\0');
  const auto with_bit = [&](std::size_t bit) {
    std::string set = bits;
    set[bit / 8] = static_cast<char>(1 << (bit % 8));
    return set;
  };
  const auto load = [](std::uint32_t device, std::uint32_t chunk, std::string_view text) {
    return space_of({5000})->load_chunk(device, chunk, text).error();
  };
  EXPECT_EQ(load(0, 0, with_bit(16)), 0);
  EXPECT_EQ(load(0, 0, with_bit(15)), EIO) << "a header block";
  EXPECT_EQ(load(0, 1, with_bit(5000 - 4096 - 1)), 0);
  EXPECT_EQ(load(0, 1, with_bit(5000 - 4096)), EIO) << "behind the end";
  EXPECT_EQ(load(1, 0, with_bit(16)), EIO) << "no such device";
  EXPECT_EQ(load(0, UINT32_MAX, with_bit(16)), EIO);
  EXPECT_EQ(load(0, 0, bits.substr(1)), EIO);
  EXPECT_EQ(load(0, 0, ""), EIO);
  const auto twice = space_of({5000});
  EXPECT_TRUE(twice->load_chunk(0, 0, with_bit(16)).ok());
  EXPECT_EQ(twice->load_chunk(0, 0, with_bit(16)).error(), EIO) << "the same block again";
}

TEST(SpaceTest, AddressesOfNothing) {
  const auto space = space_of({100});
  for (const BlockAddress address :
       {BlockAddress{0}, BlockAddress{2}, BlockAddress{15}, make_address(0, 100), make_address(1, 20), UINT64_MAX}) {
    EXPECT_FALSE(space->exists(address));
    EXPECT_FALSE(space->is_referenced(address));
  }
  EXPECT_TRUE(space->exists(make_address(0, 16)));
  EXPECT_TRUE(space->exists(make_address(0, 99)));
}

// A model of the rules: the state of each block, and the commits and readers that stand between a drop and the block's return.
TEST(SpaceTest, RandomOperationsAgreeWithTheModel) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::uint64_t state = seed;
    const auto random = [&state](std::uint64_t below) {
      state = state * 6364136223846793005 + 1442695040888963407;
      return (state >> 33) % below;
    };
    const std::vector<std::uint64_t> sizes = {200 + random(300), 100};
    const auto space = space_of(sizes);
    enum class Block { kAllocated, kReferenced, kHeld };
    std::map<BlockAddress, Block> blocks;  // absent: free
    std::vector<BlockAddress> dropped;
    std::vector<BlockAddress> sealed;
    bool committing = false;
    struct Freed {
      std::uint64_t after_reads;  // reads that began before this number hold it
      std::vector<BlockAddress> blocks;
    };
    std::vector<Freed> freed;
    std::map<std::uint64_t, Space::Generation*> reads;
    std::uint64_t next_read = 0;
    std::uint64_t reserved = 0;
    const auto settle = [&] {
      // In order: what an older commit freed is held back no longer than what a younger one did.
      while (!freed.empty() && (reads.empty() || reads.begin()->first >= freed.front().after_reads)) {
        for (const BlockAddress address : freed.front().blocks) blocks.erase(address);
        freed.erase(freed.begin());
      }
    };
    const auto pick = [&](Block wanted) -> std::optional<BlockAddress> {
      std::vector<BlockAddress> candidates;
      for (const auto& [address, what] : blocks) {
        if (what == wanted) candidates.push_back(address);
      }
      if (candidates.empty()) return std::nullopt;
      return candidates[random(candidates.size())];
    };
    for (int step = 0; step < 2000; ++step) {
      switch (random(9)) {
        case 0:
        case 1: {
          settle();
          const std::uint64_t free = space->total_blocks() - blocks.size();
          const auto extent = space->allocate(1 + static_cast<std::uint32_t>(random(20)));
          ASSERT_EQ(extent.has_value(), free > reserved);
          if (!extent) break;
          ASSERT_LE(extent->blocks, free - reserved);
          for (std::uint32_t i = 0; i < extent->blocks; ++i) {
            ASSERT_TRUE(space->exists(extent->address + i));
            ASSERT_TRUE(blocks.emplace(extent->address + i, Block::kAllocated).second)
                << "a block in use was handed out";
          }
          break;
        }
        case 2:
          if (const auto address = pick(Block::kAllocated))
            space->reference(*address), blocks[*address] = Block::kReferenced;
          break;
        case 3:
          if (const auto address = pick(Block::kAllocated)) space->release({*address, 1}), blocks.erase(*address);
          break;
        case 4:
          if (const auto address = pick(Block::kReferenced)) {
            space->drop(*address);
            blocks[*address] = Block::kHeld;
            dropped.push_back(*address);
          }
          break;
        case 5:
          if (committing) {
            space->commit_drops();
            if (!sealed.empty()) freed.push_back({next_read, std::move(sealed)});
            sealed.clear();
          } else {
            space->seal_drops();
            sealed = std::move(dropped);
            dropped.clear();
          }
          committing = !committing;
          break;
        case 6:
          reads[next_read++] = space->begin_read();
          break;
        case 7:
          if (!reads.empty()) {
            const auto read = std::next(reads.begin(), static_cast<std::ptrdiff_t>(random(reads.size())));
            read->second->end_read();
            reads.erase(read);
          }
          break;
        default: {
          const std::uint64_t amount = random(20);
          if (random(2) == 0) {
            if (space->reserve(amount).ok()) reserved += amount;
          } else if (reserved >= amount) {
            space->unreserve(amount);
            reserved -= amount;
          }
        }
      }
      std::uint64_t referenced = 0;
      for (const auto& [address, what] : blocks) referenced += what == Block::kReferenced ? 1 : 0;
      ASSERT_EQ(space->free_blocks(), space->total_blocks() - std::min(space->total_blocks(), referenced + reserved));
    }
  }
}

}  // namespace
}  // namespace ross::engine
