// Goal: the simulated disk lies exactly as far as sim_disk.h says, and the same way for the same seed.
// Method: writes with known bytes, power cuts and faults over many seeds, the stored sectors judged one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/units.h"
#include "disk/sim/sim_disk.h"

namespace ross::disk {
namespace {

constexpr std::uint64_t kDiskBytes = 4 * kMiB;
constexpr int kSeeds = 200;

struct Bytes {
  alignas(kBlockBytes) std::byte data[kBlockBytes];
  explicit Bytes(int value = 0) { std::memset(data, value, kBlockBytes); }
};

// A disk on a loop with a simulated clock, used one block at a time.
class Rig {
 public:
  explicit Rig(SimOptions options, std::uint64_t seed) : disk(options, seed) {}
  int write(std::uint64_t block, int value) {
    const Bytes bytes(value);
    Request request;
    return run(request.write(block * kBlockBytes, bytes.data));
  }
  int read(std::uint64_t block, Bytes& into) {
    Request request;
    return run(request.read(block * kBlockBytes, into.data));
  }
  // The distinct values of the block's sectors; each sector must be of one value.
  std::set<int> values(std::uint64_t block) {
    Bytes bytes;
    EXPECT_EQ(static_cast<int>(kBlockBytes), read(block, bytes));
    std::set<int> seen;
    for (std::size_t sector = 0; sector < kBlockBytes; sector += SimDisk::kSectorBytes) {
      for (std::size_t i = 1; i < SimDisk::kSectorBytes; ++i) {
        EXPECT_EQ(bytes.data[sector], bytes.data[sector + i]) << "a torn sector";
      }
      seen.insert(std::to_integer<int>(bytes.data[sector]));
    }
    return seen;
  }
  int run(Request& request) {
    int result = 1;
    submit(request, result);
    while (result == 1) loop->wait();
    return result;
  }
  // result stays 1 until the request completes.
  void submit(Request& request, int& result) {
    results_.push_back({&request, &result});
    request.done = [](runtime::Completion& completion, int value) {
      auto& self = static_cast<Request&>(completion);
      for (auto& [known, where] : current_->results_) {
        if (known == &self) *where = value;
      }
      std::erase_if(current_->results_, [&self](auto& entry) { return entry.first == &self; });
    };
    current_ = this;
    const runtime::Loop::Scope scope(*loop);
    disk.submit(*loop, request);
  }

  SimClock clock;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create({.clock = &clock});
  SimDisk disk;

 private:
  static inline Rig* current_ = nullptr;
  std::vector<std::pair<Request*, int*>> results_;
};

TEST(SimDisk, APowerCutKeepsWhatAFlushCovered) {
  for (int seed = 0; seed < kSeeds; ++seed) {
    Rig rig({.size_bytes = kDiskBytes}, seed);
    for (std::uint64_t block = 0; block < 20; ++block) ASSERT_GT(rig.write(block, 1), 0);
    ASSERT_TRUE(rig.disk.flush().ok());
    for (std::uint64_t block = 10; block < 30; ++block) ASSERT_GT(rig.write(block, 2), 0);
    rig.disk.cut_power();
    rig.disk.restore_power();
    for (std::uint64_t block = 0; block < 10; ++block) ASSERT_EQ(std::set{1}, rig.values(block));
    for (std::uint64_t block = 10; block < 20; ++block) ASSERT_FALSE(rig.values(block).contains(0));
    for (std::uint64_t block = 20; block < 30; ++block) ASSERT_FALSE(rig.values(block).contains(1));
  }
}

TEST(SimDisk, APowerCutKeepsDropsAndTearsUnflushedWritesOneByOne) {
  int kept = 0;
  int dropped = 0;
  int torn = 0;
  int older_lost_newer_kept = 0;
  for (int seed = 0; seed < kSeeds; ++seed) {
    Rig rig({.size_bytes = kDiskBytes}, seed);
    std::vector<std::set<int>> found;
    for (std::uint64_t block = 0; block < 10; ++block) ASSERT_GT(rig.write(block, 1), 0);
    rig.disk.cut_power();
    rig.disk.restore_power();
    for (std::uint64_t block = 0; block < 10; ++block) {
      found.push_back(rig.values(block));
      kept += found.back() == std::set{1};
      dropped += found.back() == std::set{0};
      torn += found.back() == std::set{0, 1};
      older_lost_newer_kept += block > 0 && found[block - 1] == std::set{0} && found[block] == std::set{1};
    }
  }
  EXPECT_EQ(10 * kSeeds, kept + dropped + torn);
  EXPECT_GT(kept, 2 * kSeeds);
  EXPECT_GT(dropped, 2 * kSeeds);
  EXPECT_GT(torn, 2 * kSeeds);
  EXPECT_GT(older_lost_newer_kept, kSeeds / 10);
}

TEST(SimDisk, APowerCutNeverBringsAnOlderWriteOverANewerOneThatStayed) {
  std::set<std::set<int>> found;
  for (int seed = 0; seed < kSeeds; ++seed) {
    Rig rig({.size_bytes = kDiskBytes}, seed);
    ASSERT_GT(rig.write(0, 1), 0);
    ASSERT_TRUE(rig.disk.flush().ok());
    ASSERT_GT(rig.write(0, 2), 0);
    ASSERT_GT(rig.write(0, 3), 0);
    EXPECT_EQ(std::set{3}, rig.values(0));
    rig.disk.cut_power();
    rig.disk.restore_power();
    found.insert(rig.values(0));
    // Flushed now, whatever it is stays.
    const auto judged = rig.values(0);
    rig.disk.cut_power();
    rig.disk.restore_power();
    ASSERT_EQ(judged, rig.values(0));
  }
  for (const auto& possible : {std::set{1}, std::set{2}, std::set{3}}) EXPECT_TRUE(found.contains(possible));
}

TEST(SimDisk, WithoutPowerEverythingFailsAndRequestsInFlightCompleteWithAnError) {
  Rig rig({.size_bytes = kDiskBytes, .delay_ns_max = 1'000'000}, 1);
  std::vector<Request> requests(20);
  std::vector<int> results(requests.size(), 1);
  const Bytes bytes(7);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    rig.submit(requests[i].write(i * kBlockBytes, bytes.data), results[i]);
    EXPECT_EQ(1, results[i]) << "a delayed request completes later";
  }
  rig.disk.cut_power();
  EXPECT_EQ(EIO, rig.disk.flush().error());
  EXPECT_EQ(-EIO, rig.write(0, 1));
  for (const int& result : results) {
    while (result == 1) rig.loop->wait();
    EXPECT_EQ(-EIO, result);
  }
  rig.disk.restore_power();
  EXPECT_GT(rig.write(0, 1), 0);
  EXPECT_EQ(std::set{1}, rig.values(0));
  int stored = 0;
  for (std::uint64_t block = 1; block < requests.size(); ++block) stored += rig.values(block).contains(7);
  EXPECT_GT(stored, 0) << "a write in flight may have reached the medium";
  EXPECT_LT(stored, 19);
}

TEST(SimDisk, DelaysReorderCompletionsAndEndWithinTheirBound) {
  Rig rig({.size_bytes = kDiskBytes, .delay_ns_max = 1'000'000}, 2);
  std::vector<Request> requests(50);
  std::vector<int> results(requests.size(), 1);
  const Bytes bytes(7);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    rig.submit(requests[i].write(i * kBlockBytes, bytes.data), results[i]);
  }
  bool later_before_earlier = false;
  while (std::count(results.begin(), results.end(), 1) > 0) {
    rig.loop->wait();
    bool earlier_pending = false;
    for (const int result : results) {
      later_before_earlier |= earlier_pending && result != 1;
      earlier_pending |= result == 1;
    }
  }
  EXPECT_TRUE(later_before_earlier);
  EXPECT_LE(rig.clock.monotonic_ns(), 1'000'000);
  EXPECT_GT(rig.clock.monotonic_ns(), 500'000);
}

TEST(SimDisk, TheNthRequestFailsAsToldAndAFailedWriteStaysInItsPlace) {
  for (int seed = 0; seed < 20; ++seed) {
    Rig rig({.size_bytes = kDiskBytes}, seed);
    for (std::uint64_t block = 0; block < 3; ++block) ASSERT_GT(rig.write(block, 1), 0);
    EXPECT_EQ(3U, rig.disk.requests());
    rig.disk.fail_request(2, ENOSPC);
    rig.disk.fail_request(4, EIO);
    EXPECT_GT(rig.write(0, 2), 0);
    EXPECT_EQ(-ENOSPC, rig.write(1, 2));
    EXPECT_GT(rig.write(2, 2), 0);
    Bytes bytes;
    EXPECT_EQ(-EIO, rig.read(0, bytes));
    EXPECT_EQ(std::set{2}, rig.values(0));
    EXPECT_FALSE(rig.values(1).contains(0));
    EXPECT_EQ(std::set{2}, rig.values(2));
  }
}

TEST(SimDisk, RatesOfFailureAreKept) {
  Rig rig({.size_bytes = kDiskBytes,
           .read_error_per_million = 250'000,
           .write_error_per_million = 500'000,
           .flush_error_per_million = 750'000},
          3);
  int reads = 0;
  int writes = 0;
  int flushes = 0;
  for (int i = 0; i < 1000; ++i) {
    Bytes bytes;
    reads += rig.read(0, bytes) < 0;
    writes += rig.write(0, i % 256) < 0;
    flushes += !rig.disk.flush().ok();
  }
  EXPECT_NEAR(250, reads, 60);
  EXPECT_NEAR(500, writes, 60);
  EXPECT_NEAR(750, flushes, 60);
  rig.disk.set_options({.size_bytes = kDiskBytes});
  EXPECT_GT(rig.write(0, 1), 0);
  EXPECT_TRUE(rig.disk.flush().ok());
  EXPECT_EQ(std::set{1}, rig.values(0));
}

TEST(SimDisk, AFailedFlushCoversNothing) {
  int lost = 0;
  for (int seed = 0; seed < 50; ++seed) {
    Rig rig({.size_bytes = kDiskBytes, .flush_error_per_million = 1'000'000}, seed);
    ASSERT_GT(rig.write(0, 1), 0);
    EXPECT_EQ(EIO, rig.disk.flush().error());
    rig.disk.cut_power();
    rig.disk.restore_power();
    lost += rig.values(0) != std::set{1};
  }
  EXPECT_GT(lost, 0);
}

int flipped_bits(const Bytes& bytes, int expected) {
  int flipped = 0;
  for (const std::byte byte : bytes.data)
    flipped += std::popcount(std::to_integer<unsigned>(byte) ^ unsigned(expected));
  return flipped;
}

TEST(SimDisk, BitsFlipOncePerChosenWriteAndWhereTold) {
  Rig rig({.size_bytes = kDiskBytes, .bit_flip_per_million = 1'000'000}, 4);
  Bytes bytes;
  ASSERT_GT(rig.write(0, 0x55), 0);
  ASSERT_GT(rig.read(0, bytes), 0);
  EXPECT_EQ(1, flipped_bits(bytes, 0x55));
  rig.disk.set_options({.size_bytes = kDiskBytes});
  ASSERT_GT(rig.write(0, 0x55), 0);
  ASSERT_TRUE(rig.disk.flush().ok());
  ASSERT_GT(rig.write(0, 0x55), 0);  // unflushed: the flip must survive whichever copy a power cut leaves
  rig.disk.flip_bit(100, 3);
  rig.disk.cut_power();
  rig.disk.restore_power();
  ASSERT_GT(rig.read(0, bytes), 0);
  EXPECT_EQ(std::byte{0x55 ^ 8}, bytes.data[100]);
  EXPECT_EQ(1, flipped_bits(bytes, 0x55));
}

TEST(SimDisk, ADiscardLosesItsDataForGoodAndNothingElse) {
  for (int seed = 0; seed < 20; ++seed) {
    Rig rig({.size_bytes = kDiskBytes}, seed);
    for (std::uint64_t block = 0; block < 12; ++block) ASSERT_GT(rig.write(block, 1), 0);
    ASSERT_TRUE(rig.disk.flush().ok());
    for (std::uint64_t block = 4; block < 6; ++block) ASSERT_GT(rig.write(block, 1), 0);
    rig.disk.discard(3 * kBlockBytes, 6 * kBlockBytes);
    rig.disk.cut_power();
    rig.disk.restore_power();
    for (std::uint64_t block = 0; block < 12; ++block) {
      ASSERT_EQ(block >= 3 && block < 9 ? std::set{0} : std::set{1}, rig.values(block)) << block;
    }
  }
}

TEST(SimDisk, WhatOverflowsTheDrivesCacheIsDurable) {
  constexpr std::uint64_t kBlocks = SimDisk::kUnflushedBytesMax / kBlockBytes;
  Rig rig({.size_bytes = 4 * SimDisk::kUnflushedBytesMax}, 5);
  for (std::uint64_t block = 0; block < 2 * kBlocks; ++block) ASSERT_GT(rig.write(block, 1), 0);
  rig.disk.cut_power();
  rig.disk.restore_power();
  for (std::uint64_t block = 0; block < kBlocks; ++block) ASSERT_EQ(std::set{1}, rig.values(block));
  int lost = 0;
  for (std::uint64_t block = kBlocks; block < 2 * kBlocks; ++block) lost += rig.values(block) != std::set{1};
  EXPECT_GT(lost, 0);
}

// One string that tells everything a run did.
std::string history(std::uint64_t seed) {
  Rig rig({.size_bytes = kDiskBytes,
           .delay_ns_max = 100'000,
           .write_error_per_million = 100'000,
           .bit_flip_per_million = 100'000},
          seed);
  Random random(77);
  std::string told;
  for (int i = 0; i < 300; ++i) {
    told += std::to_string(rig.write(random.below(50), i % 256)) + "@" + std::to_string(rig.clock.monotonic_ns()) + " ";
    if (random.chance(1, 20)) told += rig.disk.flush().message();
    if (random.chance(1, 50)) {
      rig.disk.cut_power();
      rig.disk.restore_power();
    }
  }
  for (std::uint64_t block = 0; block < 50; ++block) {
    Bytes bytes;
    EXPECT_GT(rig.read(block, bytes), 0);
    told.append(reinterpret_cast<const char*>(bytes.data), kBlockBytes);
  }
  return told;
}

TEST(SimDisk, TheSameSeedReplaysAndAnotherDoesNot) {
  const std::string first = history(1);
  EXPECT_EQ(first, history(1));
  EXPECT_NE(first, history(2));
}

TEST(SimDisk, ADestroyedDiskStillAnswersWhatItTook) {
  SimClock clock;
  auto loop = *runtime::Loop::create({.clock = &clock});
  struct Told : Request {
    int result = 1;
  };
  Told request;
  Bytes bytes;
  request.read(0, bytes.data);
  request.done = [](runtime::Completion& completion, int value) { static_cast<Told&>(completion).result = value; };
  {
    SimDisk disk({.size_bytes = kDiskBytes, .delay_ns_max = 1000}, 1);
    const runtime::Loop::Scope scope(*loop);
    disk.submit(*loop, request);
  }
  loop->wait();
  EXPECT_EQ(-EIO, request.result);
}

TEST(SimDisk, TensOfThousandsAreCheapToMake) {
  // Nothing is allocated for bytes nobody wrote: 20,000 disks of a tebibyte would not fit otherwise.
  std::vector<std::unique_ptr<SimDisk>> disks;
  for (std::uint64_t i = 0; i < 20'000; ++i)
    disks.push_back(std::make_unique<SimDisk>(SimOptions{.size_bytes = kTiB}, i));
  EXPECT_EQ(kTiB, disks.back()->size_bytes());
}

}  // namespace
}  // namespace ross::disk
