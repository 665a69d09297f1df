// Goal: opening a pool finishes what a crash cut short, and only that. Method: kill -9 as a copy of the directory taken while the
// pool is open and at rest, or a closed store put into the state between two stages; then the copy is opened and judged by fsck.
#include "engine/recovery.h"

#include <gmock/gmock.h>

#include "engine/fsck.h"
#include "engine/pool_fixture.h"

namespace ross::engine {
namespace {

using format::ContainerId;
using format::KeyKind;
using format::NodeKey;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RecoveryTest : public ::testing::Test {
 protected:
  RecoveryTest() : pool_(directory_ / "pool"), killed_(directory_ / "killed") {
    EXPECT_TRUE(Pool::create(pool_, small_pool()).ok());
    auto pool = *Pool::open(pool_, quiet_options());
    EXPECT_TRUE(pool->create_container("c", {}).ok());
    free_bytes_ = pool->info().free_bytes;
  }
  static std::string findings(const std::filesystem::path& pool) {
    auto report = fsck(pool, quiet_options(), {.data = true});
    if (!report) return report.error().message();
    std::string text;
    for (const FsckFinding& one : report->findings) text += one.where + ": " + one.what + "\n";
    return text;
  }
  static NodeKey key(fs::NodeId node) { return {ContainerId(1), node}; }

  TestDirectory directory_;
  const std::filesystem::path pool_;
  const std::filesystem::path killed_;
  std::uint64_t free_bytes_ = 0;
};

TEST_F(RecoveryTest, SmallBlocksInTheLogGoToTheirPlaces) {
  std::map<std::string, std::string> contents;
  {
    TestFiles files(pool_);
    for (int i = 0; i < 12; ++i) {
      const std::string name = "f" + std::to_string(i);
      contents[name] = pattern(static_cast<std::uint64_t>(i), 1000 + static_cast<std::size_t>(i) * 700);
      ASSERT_TRUE(files.put(fs::kRootNode, name, contents[name]).ok());
      ASSERT_TRUE(files.wait(files.fs().sync()).ok());
    }
    // Overwritten since: its old block in the log must not come back.
    contents["f3"] = pattern(33, 4096);
    ASSERT_TRUE(files.put(fs::kRootNode, "f3", contents["f3"]).ok());
    ASSERT_TRUE(files.wait(files.fs().sync()).ok());
    copy_pool(pool_, killed_);
  }
  {
    RawStore raw(killed_);
    ASSERT_THAT(raw.all(KeyKind::kDeferred), Not(IsEmpty())) << "the case does not arise";
  }
  EXPECT_EQ(findings(killed_), "") << "before it is opened";
  for (int opening = 0; opening < 2; ++opening) {
    TestFiles files(killed_);
    for (const auto& [name, content] : contents) {
      const auto got = files.get(*files.find(name));
      ASSERT_TRUE(got) << name << ": " << got.error().message();
      if (name == "f3") {
        EXPECT_EQ(got->substr(0, 4096), content);
      } else {
        EXPECT_EQ(*got, content) << name;
      }
    }
  }
  EXPECT_EQ(findings(killed_), "");
  RawStore raw(killed_);
  EXPECT_THAT(raw.all(KeyKind::kDeferred), IsEmpty()) << "the log is empty once they are in place";
}

// A replay that is itself cut short is replayed again.
TEST_F(RecoveryTest, KilledWhileRecovering) {
  {
    TestFiles files(pool_);
    ASSERT_TRUE(files.put(fs::kRootNode, "f", pattern(1, 20000)).ok());
    ASSERT_TRUE(files.wait(files.fs().sync()).ok());
    copy_pool(pool_, killed_);
  }
  for (int times = 0; times < 3; ++times) {
    const std::filesystem::path again = directory_ / ("again" + std::to_string(times));
    TestFiles files(times == 0 ? killed_ : directory_ / ("again" + std::to_string(times - 1)));
    EXPECT_EQ(files.get(*files.find("f")).value_or(""), pattern(1, 20000));
    copy_pool(times == 0 ? killed_ : directory_ / ("again" + std::to_string(times - 1)), again);
  }
  EXPECT_EQ(findings(directory_ / "again2"), "");
}

TEST_F(RecoveryTest, AnOpenFileWithoutANameGoes) {
  {
    TestFiles files(pool_);
    auto file = files.create(fs::kRootNode, "gone");
    ASSERT_TRUE(files.write(*file, 0, pattern(1, 300'000)).ok());
    ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "gone")).ok());
    auto unnamed = files.wait(files.fs().create_unnamed(files.root(), fs::kRootNode, 0600));
    ASSERT_TRUE(files.write(unnamed->file, 0, pattern(2, 5000)).ok());
    auto published = files.wait(files.fs().create_unnamed(files.root(), fs::kRootNode, 0600));
    ASSERT_TRUE(files.write(published->file, 0, pattern(3, 5000)).ok());
    ASSERT_TRUE(files.wait(files.fs().publish(files.root(), published->file, fs::kRootNode, "stays")).ok());
    ASSERT_TRUE(files.wait(files.fs().sync()).ok());
    copy_pool(pool_, killed_);
    for (const fs::FileId open : {*file, unnamed->file, published->file}) {
      ASSERT_TRUE(files.wait(files.fs().close(open)).ok());
    }
  }
  {
    RawStore raw(killed_);
    ASSERT_THAT(raw.all(KeyKind::kOrphan), SizeIs(2));
  }
  {
    TestFiles files(killed_);
    EXPECT_EQ(files.get(*files.find("stays")).value_or(""), pattern(3, 5000));
    EXPECT_EQ(files.pool().info().free_bytes, free_bytes_ - 2 * 4096);
    EXPECT_EQ(files.wait(files.fs().statfs())->nodes_used, 2U);
  }
  EXPECT_EQ(findings(killed_), "");
  RawStore raw(killed_);
  EXPECT_THAT(raw.all(KeyKind::kOrphan), IsEmpty());
}

TEST_F(RecoveryTest, ATruncateThatWasCutShort) {
  fs::NodeId node;
  const std::string content = pattern(5, 1 << 20);
  {
    TestFiles files(pool_);
    ASSERT_TRUE(files.put(fs::kRootNode, "f", content, &node).ok());
  }
  {
    RawStore raw(pool_);  // the size is set and the record written; nothing is freed yet
    format::InodeRecord record = raw.inode(key(node));
    record.size_bytes = 10'000;
    raw.put_inode(key(node), record);
    raw.put(format::node_key(KeyKind::kOrphan, key(node)), "");
  }
  EXPECT_EQ(findings(pool_), "");
  {
    TestFiles files(pool_);
    EXPECT_EQ(files.get(node).value_or(""), content.substr(0, 10'000));
    EXPECT_EQ(files.pool().info().free_bytes, free_bytes_ - 3 * 4096);
    ASSERT_TRUE(files.wait(files.fs().setattr(files.root(), node, fs::SetAttr{.size_bytes = 20'000})));
    EXPECT_EQ(files.get(node).value_or(""), content.substr(0, 10'000) + std::string(10'000, '\0'))
        << "what was cut off does not come back";
  }
  EXPECT_EQ(findings(pool_), "");
  RawStore raw(pool_);
  EXPECT_THAT(raw.all(KeyKind::kOrphan), IsEmpty());
}

TEST_F(RecoveryTest, ADestructionThatWasCutShort) {
  std::uint64_t free_before = 0;
  {
    auto pool = *Pool::open(pool_, quiet_options());
    ASSERT_TRUE(pool->create_container("dying", {}).ok());
    free_before = pool->info().free_bytes;
  }
  {
    TestFiles files(pool_, "dying");
    const fs::NodeId d = files.mkdir(fs::kRootNode, "d");
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(files.put(d, "f" + std::to_string(i), pattern(static_cast<std::uint64_t>(i), 9000)).ok());
    }
    ASSERT_TRUE(files.wait(files.fs().symlink(files.root(), d, "l", "target")));
    ASSERT_TRUE(files.wait(files.fs().setxattr(files.root(), d, "user.x", "y", fs::XattrFlags::kSet)).ok());
  }
  {
    RawStore raw(pool_);  // all mappings and a part of the names are gone
    const ContainerId dying(2);
    format::ContainerRecord record = raw.container(dying);
    record.destroying = true;
    raw.put(format::container_key(dying), format::encode(record));
    std::size_t names = 0;
    for (const auto& [entry, value] : raw.all(KeyKind::kEntry)) {
      if (names++ < 7) raw.erase(entry);
    }
  }
  EXPECT_EQ(findings(pool_), "");
  {
    auto pool = *Pool::open(pool_, quiet_options());
    EXPECT_EQ(pool->containers().size(), 1U);
    EXPECT_EQ(pool->info().free_bytes, free_before);
    EXPECT_TRUE(pool->create_container("dying", {}).ok());
  }
  EXPECT_EQ(findings(pool_), "");
  RawStore raw(pool_);
  EXPECT_THAT(raw.all(KeyKind::kInode), SizeIs(2)) << "two roots";
  EXPECT_THAT(raw.all(KeyKind::kXattr), IsEmpty());
  EXPECT_THAT(raw.all(KeyKind::kSymlink), IsEmpty());
}

// One file that cannot be deleted does not make the pool unusable; fsck says what is wrong with it.
TEST_F(RecoveryTest, AnOrphanWithADamagedMappingStays) {
  fs::NodeId node;
  {
    TestFiles files(pool_);
    ASSERT_TRUE(files.put(fs::kRootNode, "good", pattern(1, 5000)).ok());
    auto file = files.create(fs::kRootNode, "gone", &node);
    ASSERT_TRUE(files.write(*file, 0, pattern(2, 300'000)).ok());
    ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "gone")).ok());
    ASSERT_TRUE(files.wait(files.fs().sync()).ok());
    copy_pool(pool_, killed_);
    ASSERT_TRUE(files.wait(files.fs().close(*file)).ok());
  }
  {
    RawStore raw(killed_);
    raw.put(format::segment_key(key(node), 0), "garbage");
  }
  for (int opening = 0; opening < 2; ++opening) {
    TestFiles files(killed_);
    ASSERT_TRUE(files.ok());
    EXPECT_EQ(files.get(*files.find("good")).value_or(""), pattern(1, 5000));
  }
  EXPECT_THAT(findings(killed_), ::testing::HasSubstr("segment 0 is damaged"));
  ASSERT_TRUE(fsck(killed_, quiet_options(), {.repair = true}));
  EXPECT_EQ(findings(killed_), "");
  TestFiles files(killed_);
  EXPECT_EQ(files.pool().info().free_bytes, free_bytes_ - 2 * 4096);
}

// The same while the pool is open: the name goes, as asked, and the file that cannot be freed waits.
TEST_F(RecoveryTest, RemovingAFileWithADamagedMapping) {
  fs::NodeId damaged;
  {
    TestFiles files(pool_);
    ASSERT_TRUE(files.put(fs::kRootNode, "damaged", pattern(2, 300'000), &damaged).ok());
    ASSERT_TRUE(files.put(fs::kRootNode, "new", pattern(3, 5000)).ok());
  }
  {
    RawStore raw(pool_);
    raw.put(format::segment_key(key(damaged), 1), "garbage");
  }
  {
    TestFiles files(pool_);
    const Status status = files.wait(
        files.fs().rename(files.root(), fs::kRootNode, "new", fs::kRootNode, "damaged", fs::RenameFlags::kReplace));
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(files.find("new").error().error(), ENOENT);
    EXPECT_EQ(files.get(*files.find("damaged")).value_or(""), pattern(3, 5000));
  }
  ASSERT_TRUE(fsck(pool_, quiet_options(), {.repair = true}));
  EXPECT_EQ(findings(pool_), "");
  TestFiles files(pool_);
  EXPECT_EQ(files.get(*files.find("damaged")).value_or(""), pattern(3, 5000));
  EXPECT_EQ(files.wait(files.fs().statfs())->nodes_used, 2U);
}

}  // namespace
}  // namespace ross::engine
