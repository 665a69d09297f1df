// Goal: fsck finds damage of mappings, space, containers, the store and the data itself, and mends or isolates it.
// Method: as fsck_test.cc.
#include "engine/fsck/fsck_fixture.h"

namespace ross::engine {
namespace {

TEST_F(FsckTest, AMissingMapping) {
  {
    RawStore raw(pool_);
    raw.erase(format::segment_key(node("d/b"), 1));
  }
  const FsckReport found = check({});
  EXPECT_THAT(found.findings, Contains(finding("space map", "the map differs from what files use")));
  expect_found_and_mended("c/d/b", "the number of blocks", {"d/b"});
}

TEST_F(FsckTest, ADamagedMappingIsSetApart) {
  {
    RawStore raw(pool_);
    raw.put(format::segment_key(node("d/b"), 1), "garbage");
  }
  expect_found_and_mended("c/d/b", "the mapping's segment 1 is damaged", {"d/b"});
  TestFiles files(pool_);
  constexpr std::uint64_t kSegmentBytes = 64 * 4096;
  EXPECT_EQ(files.get(node("d/b").node, 0, kSegmentBytes).value_or(""),
            tree_->content.at("d/b").substr(0, kSegmentBytes));
  EXPECT_EQ(files.get(node("d/b").node, kSegmentBytes, 1).error().error(), EIO)
      << "what is lost does not read as zeros";
}

TEST_F(FsckTest, AMappingPastTheLargestFile) {
  {
    RawStore raw(pool_);
    raw.put_segment(node("e"), UINT32_MAX, {{.address = format::kReserved, .crc = 0}});
  }
  expect_found_and_mended("c/e", "past the largest file");
}

TEST_F(FsckTest, AMappingsEnd) {
  edit_inode("d/b", [](auto& record) { record.segments_end = 1; });
  expect_found_and_mended("c/d/b", "the mapping's end is 1 and should be 2");
}

TEST_F(FsckTest, ASizeBeforeTheData) {
  edit_inode("d/b", [](auto& record) { record.size_bytes = 5000; });
  expect_found_and_mended("c/d/b", "the size is 5000 and should be 307200");
}

TEST_F(FsckTest, ABlockMappedTwice) {
  for (const bool data : {false, true}) {
    SCOPED_TRACE(data ? "with data" : "without data");
    std::filesystem::remove_all(pool_);
    copy_pool(*template_ / "pool", pool_);
    {
      RawStore raw(pool_);
      std::vector<BlockRef> blocks = raw.segment(node("e"), 0);
      blocks[1].address = raw.segment(node("d/b"), 0)[5].address;
      raw.put_segment(node("e"), 0, blocks);
    }
    expect_found_and_mended("c/e", "is mapped twice", {"e"}, data);
    TestFiles files(pool_);
    EXPECT_EQ(files.get(node("e").node, 0, 4096).value_or(""), tree_->content.at("e").substr(0, 4096));
    EXPECT_EQ(files.get(node("e").node, 4096, 1).error().error(), EIO);
  }
}

TEST_F(FsckTest, ABlockMappedTwiceStaysWithTheFileWhoseChecksumItMatches) {
  {
    RawStore raw(pool_);  // d/a comes before d/b
    std::vector<BlockRef> blocks = raw.segment(node("d/a"), 0);
    blocks[1].address = raw.segment(node("d/b"), 0)[5].address;
    raw.put_segment(node("d/a"), 0, blocks);
  }
  expect_found_and_mended("c/d/", "is mapped twice", {"d/a", "d/hard"});
  TestFiles files(pool_);
  EXPECT_EQ(files.get(node("d/a").node, 4096, 1).error().error(), EIO);
}

TEST_F(FsckTest, ABlockOnNoDevice) {
  const std::vector<format::BlockAddress> nowhere = {
      format::make_address(1, 100),                            // no such device
      format::make_address(0, kTestDeviceBytes / 4096),        // behind the end
      format::make_address(0, (std::uint64_t{1} << 52) + 20),  // times 4096 it wraps around
      format::make_address(200, 3)};                           // in a header
  for (const format::BlockAddress address : nowhere) {
    for (const bool data : {false, true}) {
      SCOPED_TRACE(address);
      std::filesystem::remove_all(pool_);
      copy_pool(*template_ / "pool", pool_);
      {
        RawStore raw(pool_);
        std::vector<BlockRef> blocks = raw.segment(node("e"), 0);
        blocks[1].address = address;
        raw.put_segment(node("e"), 0, blocks);
      }
      {
        TestFiles files(pool_);  // before the repair it is an error, not a crash
        EXPECT_EQ(files.get(node("e").node).error().error(), EIO);
        expect_unharmed(files, *tree_, {"e"});
      }
      expect_found_and_mended("c/e", "is on no device", {"e"}, data);
      TestFiles files(pool_);
      EXPECT_EQ(files.get(node("e").node, 4096, 1).error().error(), EIO);
    }
  }
}

TEST_F(FsckTest, TheSpaceMap) {
  {
    RawStore raw(pool_);
    std::string bits = raw.get(format::space_key(0, 0));
    bits[10] = static_cast<char>(bits[10] ^ 0x10);
    raw.put(format::space_key(0, 0), bits);
  }
  expect_found_and_mended("space map", "device 0 blocks 0 to 4095: the map differs");
}

TEST_F(FsckTest, ASpaceMapThatIsGoneOrGarbledOrOfNoDevice) {
  const std::vector<std::function<void(RawStore&)>> breaks = {
      [](RawStore& raw) { raw.erase(format::space_key(0, 0)); },
      [](RawStore& raw) { raw.put(format::space_key(0, 0), "short"); },
      [](RawStore& raw) { raw.put(format::space_key(0, 0), std::string(512, '\xff')); },
      [](RawStore& raw) { raw.put(format::space_key(0, 9), std::string(512, '\x01')); },
      [](RawStore& raw) { raw.put(format::space_key(3, 0), std::string(512, '\x01')); },
      [](RawStore& raw) { raw.put(format::space_key(0, 0) + "x", std::string(512, '\x01')); },
  };
  for (std::size_t i = 0; i < breaks.size(); ++i) {
    SCOPED_TRACE(i);
    std::filesystem::remove_all(pool_);
    copy_pool(*template_ / "pool", pool_);
    {
      RawStore raw(pool_);
      breaks[i](raw);
    }
    expect_found_and_mended("space map", "");
  }
}

TEST_F(FsckTest, ABlockSetApartThatIsInUseOrOnNoDevice) {
  {
    RawStore raw(pool_);
    raw.put(format::isolated_key(0, format::block_of(raw.segment(node("e"), 0)[0].address)), "");
    raw.put(format::isolated_key(0, 1 << 30), "");
    raw.put(format::isolated_key(9, 100), "");
  }
  expect_found_and_mended("pool", "a block set apart is in use or on no device");
}

TEST_F(FsckTest, ADeferredBlockThatHasNoPlace) {
  {
    RawStore raw(pool_);
    raw.put(format::deferred_key(0, 1 << 30), std::string(4096, 'x'));
    raw.put(format::deferred_key(7, 100), std::string(4096, 'x'));
    raw.put(format::deferred_key(0, 100), "short");
    raw.put(format::deferred_key(0, 2), std::string(4096, 'x'));
  }
  expect_found_and_mended("pool", "a deferred block is damaged");
}

// ---- containers and the pool ----

TEST_F(FsckTest, TheSumsOfAContainer) {
  edit_container([](auto& record) {
    record.used_blocks = 1;
    record.reserved_blocks = 10'000'000'000;
    record.used_nodes = 0;
    record.next_node = 3;
  });
  const FsckReport found = check({});
  EXPECT_THAT(found.findings, Contains(finding("c", "the number of blocks in use is 1 and should be")));
  EXPECT_THAT(found.findings, Contains(finding("c", "the number of blocks reserved is 10000000000 and should be 63")));
  EXPECT_THAT(found.findings, Contains(finding("c", "the next node's number is 3 and should be")));
  expect_found_and_mended("c", "the number of nodes is 0 and should be");
}

TEST_F(FsckTest, TwoContainersOfOneName) {
  edit_container([](auto& record) { record.name = "other"; });
  const FsckReport found = check({});
  EXPECT_THAT(found.findings, Contains(finding("other", "two containers have this name"))) << told(found);
  check({.repair = true});
  EXPECT_EQ(told(check({.data = true})), "");
  auto pool = Pool::open(pool_, quiet_options());
  ASSERT_TRUE(pool);
  EXPECT_EQ((*pool)->containers().size(), 2U) << "each can be reached";
}

TEST_F(FsckTest, ADamagedContainerRecordLosesNothingButTheName) {
  {
    RawStore raw(pool_);
    raw.put(format::container_key(kC), "garbage");
  }
  const auto before = files_of(pool_);
  EXPECT_THAT(check({}).findings, Contains(finding("container 1", "the container's record is damaged")));
  EXPECT_TRUE(files_of(pool_) == before);
  check({.repair = true});
  EXPECT_EQ(told(check({.data = true})), "");
  TestFiles files(pool_, "recovered-1");
  ASSERT_TRUE(files.ok());
  expect_unharmed(files, *tree_);
}

TEST_F(FsckTest, ANextContainerNumberInUse) {
  {
    RawStore raw(pool_);
    format::PoolRecord record = *format::decode_pool(raw.get(format::pool_key()));
    record.next_container = 1;
    raw.put(format::pool_key(), format::encode(record));
  }
  expect_found_and_mended("pool", "the next container's number is in use");
}

TEST_F(FsckTest, AMissingOrDamagedPoolRecord) {
  for (const bool garbled : {false, true}) {
    SCOPED_TRACE(garbled ? "garbled" : "missing");
    std::filesystem::remove_all(pool_);
    copy_pool(*template_ / "pool", pool_);
    {
      RawStore raw(pool_);
      raw.erase(format::pool_key());
      if (garbled) raw.put(format::pool_key(), std::string("\x01\0\0\0", 4));
    }
    expect_found_and_mended("pool", "pool record");
  }
}

TEST_F(FsckTest, ARecordOfANewerVersionIsLeftAlone) {
  {
    RawStore raw(pool_);
    raw.put(format::pool_key(), format::encode(format::PoolRecord{.version = format::kServedVersion + 1}));
  }
  const auto before = files_of(pool_);
  for (const bool repair : {false, true}) {
    auto report = fsck(pool_, quiet_options(), {.repair = repair});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().error(), ENOTSUP);
    EXPECT_THAT(report.error().message(), HasSubstr("use a matching ross"));
  }
  if (testing::Test::HasFailure()) return;
  RawStore raw(pool_);
  EXPECT_EQ(raw.all(KeyKind::kInode).size(), 13U);
}

TEST_F(FsckTest, AStoreOfAnotherPoolIsLeftAlone) {
  const std::filesystem::path stranger = directory_ / "stranger";
  ASSERT_TRUE(Pool::create(stranger, small_pool()).ok());
  std::filesystem::remove_all(pool_ / "meta");
  std::filesystem::copy(stranger / "meta", pool_ / "meta", std::filesystem::copy_options::recursive);
  for (const bool repair : {false, true}) {
    auto report = fsck(pool_, quiet_options(), {.repair = repair, .data = true});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().error(), EINVAL);
    EXPECT_THAT(report.error().message(), HasSubstr("belongs to another pool"));
  }
}

// A repair that made an empty store of a missing one would give all data away as free space.
TEST_F(FsckTest, AMissingStoreIsNotMadeAnew) {
  for (const bool repair : {false, true}) {
    std::filesystem::remove_all(pool_ / "meta");
    auto report = fsck(pool_, quiet_options(), {.repair = repair});
    ASSERT_FALSE(report);
    EXPECT_THAT(report.error().message(), HasSubstr("restore")) << report.error().message();
    EXPECT_FALSE(std::filesystem::exists(pool_ / "meta"));
  }
}

TEST_F(FsckTest, AStoreThatDoesNotOpenIsSalvaged) {
  {
    // So that there are tables to salvage, not only a log.
    RawStore raw(pool_);
    raw.put("zzz", "");
  }
  std::ofstream(pool_ / "meta" / "CURRENT", std::ios::trunc) << "nonsense\n";
  auto checked = fsck(pool_, quiet_options(), {});
  ASSERT_FALSE(checked);
  EXPECT_THAT(checked.error().message(), HasSubstr("--repair"));
  const FsckReport mended = check({.repair = true});
  EXPECT_THAT(mended.findings, Contains(finding("metadata store", "opening"))) << told(mended);
  expect_clean_and_working({});
}

TEST_F(FsckTest, APoolInUseIsNotChecked) {
  TestFiles files(pool_);
  auto report = fsck(pool_, quiet_options(), {});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().error(), EBUSY);
}

// ---- data ----

TEST_F(FsckTest, FlippedBitsAreSetApartForEver) {
  format::BlockAddress bad = 0;
  {
    RawStore raw(pool_);
    bad = raw.segment(node("d/b"), 0)[7].address;
  }
  flip_device_bit(bad);
  EXPECT_EQ(told(check({})), "") << "without data nothing is read";
  {
    TestFiles files(pool_);
    EXPECT_EQ(files.get(node("d/b").node).error().error(), EIO);
  }
  expect_found_and_mended("c/d/b", "4096 bytes at 28672: they do not match their checksum", {"d/b"}, true);

  const auto stored_at_bad = [&] {
    RawStore raw(pool_);
    for (const auto& [key, value] : raw.all(KeyKind::kSegment)) {
      const auto blocks = *format::decode_segment(value);
      for (const BlockRef& ref : blocks) {
        if (ref.address == bad) return true;
      }
    }
    return false;
  };
  const auto fill = [&](std::string_view name) {
    TestFiles files(pool_);
    auto file = files.create(fs::kRootNode, name);
    ASSERT_TRUE(file);
    const std::string piece = pattern(60, 128 * 1024);
    Status status;
    std::uint64_t at = 0;
    for (std::size_t size = piece.size(); size >= 4096; size /= 2) {
      for (;; at += size) {
        status = files.write(*file, at, std::string_view(piece).substr(0, size));
        if (!status.ok()) break;
        ASSERT_LT(at, kTestDeviceBytes);
      }
      EXPECT_EQ(status.error(), ENOSPC) << status.message();
    }
    EXPECT_TRUE(files.wait(files.fs().close(*file)).ok());
  };
  {
    TestFiles files(pool_);
    const std::string& content = tree_->content.at("d/b");
    EXPECT_EQ(files.get(node("d/b").node, 0, 28672).value_or(""), content.substr(0, 28672));
    EXPECT_EQ(files.get(node("d/b").node, 28672, 4096).error().error(), EIO);
    EXPECT_EQ(files.get(node("d/b").node, 32768, 4096).value_or(""), content.substr(32768, 4096));
  }
  fill("full");
  EXPECT_FALSE(stored_at_bad());
  {
    TestFiles files(pool_);
    EXPECT_EQ(files.get(node("d/b").node, 28672, 4096).error().error(), EIO) << "for ever";
    ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), node("d").node, "b")).ok());
    ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "full")).ok());
  }
  fill("full again");
  EXPECT_FALSE(stored_at_bad()) << "also when the file is gone";
  EXPECT_EQ(told(check({.data = true})), "");
}

TEST_F(FsckTest, ADamagedBlockAndOneMappedTwiceInOneSegment) {
  {
    RawStore raw(pool_);
    std::vector<BlockRef> blocks = raw.segment(node("e"), 0);
    flip_device_bit(blocks[0].address);
    blocks[1].address = raw.segment(node("d/b"), 0)[5].address;
    raw.put_segment(node("e"), 0, blocks);
  }
  expect_found_and_mended("c/e", "is mapped twice", {"e"}, true);
  TestFiles files(pool_);
  EXPECT_EQ(files.get(node("e").node, 0, 1).error().error(), EIO);
  EXPECT_EQ(files.get(node("e").node, 4096, 1).error().error(), EIO);
}

TEST_F(FsckTest, AWholeBlockWrittenOverABadOneIsGoodAgain) {
  {
    RawStore raw(pool_);
    flip_device_bit(raw.segment(node("e"), 0)[1].address, 4095);
  }
  check({.repair = true, .data = true});
  {
    TestFiles files(pool_);
    auto file = files.wait(files.fs().open(files.root(), node("e").node, fs::OpenFlags{.read = true, .write = true}));
    ASSERT_TRUE(file);
    EXPECT_EQ(files.write(file->file, 5000, "part").error(), EIO) << "part of a bad block";
    ASSERT_TRUE(files.write(file->file, 4096, tree_->content.at("e").substr(4096)).ok());
    EXPECT_TRUE(files.wait(files.fs().close(file->file)).ok());
  }
  expect_clean_and_working({});
}

// ---- a pool that was used hard ----

// A truncate leaves empty mappings in memory; what is written there again must be known to the inode.
TEST_F(FsckTest, WrittenAgainAfterATruncate) {
  const std::string content = pattern(70, 1 << 20);
  {
    TestFiles files(pool_);
    fs::NodeId node;
    ASSERT_TRUE(files.put(fs::kRootNode, "twice", pattern(71, 1 << 20), &node).ok());
    ASSERT_TRUE(files.wait(files.fs().setattr(files.root(), node, fs::SetAttr{.size_bytes = 0})));
    ASSERT_TRUE(files.put(fs::kRootNode, "twice", content).ok());
  }
  TestFiles files(pool_);
  EXPECT_TRUE(files.get(*files.find("twice")).value_or("") == content);
  files.close();
  expect_clean_and_working({});
}

TEST_F(FsckTest, CleanAfterHeavyMixedUse) {
  std::uint64_t state = 12345;
  const auto random = [&state](std::uint64_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % below;
  };
  for (int round = 0; round < 3; ++round) {
    TestFiles files(pool_);
    ASSERT_TRUE(files.ok());
    const fs::NodeId parents[] = {fs::kRootNode, node("d").node, node("d/sub").node};
    for (int i = 0; i < 400; ++i) {
      const fs::NodeId parent = parents[random(3)];
      const std::string name = "n" + std::to_string(random(40));
      const std::string other = "n" + std::to_string(random(40));
      Status result;
      switch (random(9)) {
        case 0:
        case 1: {
          auto file = files.create(parent, name);
          if (!file) break;
          result = files.write(*file, random(600'000), pattern(i, random(150'000)));
          [[maybe_unused]] const Status closed = files.wait(files.fs().close(*file));
          break;
        }
        case 2:
          result = files.wait(files.fs().unlink(files.root(), parent, name));
          break;
        case 3:
          result = files.wait(files.fs().rename(files.root(), parent, name, parents[random(3)], other,
                                                static_cast<fs::RenameFlags>(random(3))));
          break;
        case 4: {
          auto node = files.wait(files.fs().lookup(files.root(), parent, name));
          if (node) (void)files.wait(files.fs().link(files.root(), node->node, parents[random(3)], other));
          break;
        }
        case 5: {
          auto node = files.wait(files.fs().lookup(files.root(), parent, name));
          fs::SetAttr change;
          change.size_bytes = random(900'000);
          if (node) (void)files.wait(files.fs().setattr(files.root(), node->node, change));
          break;
        }
        case 6: {
          auto file = files.create(parent, name);
          if (!file) break;
          result = files.wait(
              files.fs().fallocate(*file, static_cast<fs::Fallocate>(random(4)), random(500'000), 1 + random(300'000)));
          [[maybe_unused]] const Status closed = files.wait(files.fs().close(*file));
          break;
        }
        case 7: {
          auto node = files.wait(files.fs().lookup(files.root(), parent, name));
          if (node) {
            result = files.wait(
                files.fs().setxattr(files.root(), node->node, "user." + other, pattern(i, 30), fs::XattrFlags::kSet));
          }
          break;
        }
        default:
          if (random(4) == 0) result = files.wait(files.fs().sync());
      }
      EXPECT_NE(result.error(), EIO) << result.message();
      EXPECT_NE(result.error(), EAGAIN) << result.message();
    }
    files.close();
    ASSERT_EQ(told(check({.data = true})), "") << "round " << round;
  }
  expect_clean_and_working({});
}

}  // namespace
}  // namespace ross::engine
