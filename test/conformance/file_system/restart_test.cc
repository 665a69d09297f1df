// What is there after a clean restart: everything named, with all that belongs to it, and nothing else.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

class Restart : public FileSystemTest {
 protected:
  void SetUp() override {
    ROSS_NEEDS(restarts);
    FileSystemTest::SetUp();
  }
};
ROSS_ON_EVERY_BACKEND(Restart);

TEST_P(Restart, EverythingIsThere) {
  const fs::NodeId dir = make_dir("dir", kTop, 01750);
  const fs::NodeId file = make_file("file", pattern(1, 500'000), dir, 0640);
  ASSERT_EQ(error(fs().link(kRoot, file, kTop, "second")), 0);
  make_link("link", "dir/file");
  ASSERT_EQ(error(fs().mknod(kRoot, dir, "device", S_IFCHR | 0600, 0x0501)), 0);
  ASSERT_EQ(error(fs().setxattr(kRoot, file, "user.big", pattern(2, 60'000), fs::XattrFlags::kSet)), 0);
  ASSERT_EQ(error(fs().setattr(kRoot, file, {.uid = 7, .gid = 8, .atime_ns = 111, .mtime_ns = -222})), 0);
  const fs::Attr before = attr(file);
  const fs::Attr dir_before = attr(dir);
  restart();
  const fs::NodeId found = node_at("file", node_at("dir"));
  const fs::Attr after = attr(found);
  EXPECT_EQ(after.mode, before.mode);
  EXPECT_EQ(after.links, 2U);
  EXPECT_EQ(after.uid, 7U);
  EXPECT_EQ(after.gid, 8U);
  EXPECT_EQ(after.size_bytes, before.size_bytes);
  EXPECT_EQ(after.allocated_bytes, before.allocated_bytes);
  EXPECT_EQ(after.atime_ns, 111);
  EXPECT_EQ(after.mtime_ns, -222);
  EXPECT_EQ(after.ctime_ns, before.ctime_ns);
  EXPECT_EQ(after.btime_ns, before.btime_ns);
  EXPECT_EQ(attr(node_at("dir")).mtime_ns, dir_before.mtime_ns);
  EXPECT_EQ(permissions(node_at("dir")), 01750U);
  EXPECT_EQ(node_at("second"), found);
  EXPECT_TRUE(content(found) == pattern(1, 500'000));
  EXPECT_EQ(run(fs().readlink(node_at("link"))).value(), "dir/file");
  EXPECT_EQ(attr(node_at("device", node_at("dir"))).rdev, 0x0501U);
  EXPECT_TRUE(run(fs().getxattr(kRoot, found, "user.big")).value() == pattern(2, 60'000));
  EXPECT_EQ(names(kTop), (std::vector<std::string>{"dir", "link", "second"}));
}

TEST_P(Restart, WhatHadNoNameIsGoneAndItsSpaceBack) {
  make_file("kept", "kept");
  const fs::StatFs before = run(fs().statfs()).value();
  const fs::FileId unlinked = open(make_file("unlinked", pattern(1, kMiB)));
  ASSERT_EQ(error(fs().unlink(kRoot, kTop, "unlinked")), 0);
  const auto unnamed = run(fs().create_unnamed(kRoot, kTop, 0600)).value();
  ASSERT_EQ(write(unnamed.file, 0, pattern(2, kMiB)), 0);
  ASSERT_EQ(error(fs().fsync(unnamed.file, false)), 0);
  ASSERT_EQ(read(unlinked, 0, 10), pattern(1, 10));
  ASSERT_EQ(error(fs().close(unlinked)), 0);
  ASSERT_EQ(error(fs().close(unnamed.file)), 0);
  restart();
  EXPECT_EQ(names(kTop), std::vector<std::string>{"kept"});
  const fs::StatFs after = run(fs().statfs()).value();
  EXPECT_EQ(after.nodes_used, before.nodes_used);
  EXPECT_GE(after.free_bytes + 64 * kKiB, before.free_bytes);
}

TEST_P(Restart, ReplacedAndTruncatedStaySo) {
  const fs::NodeId node = make_file("file", pattern(1, 50'000));
  make_file("new", "new");
  make_file("old", "old");
  ASSERT_EQ(error(fs().rename(kRoot, kTop, "new", kTop, "old", fs::RenameFlags::kReplace)), 0);
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 10'001})), 0);
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 30'000})), 0);
  const fs::FileId file = open(node);
  ASSERT_EQ(error(fs().fallocate(file, fs::Fallocate::kPunchHole, 100, 200)), 0);
  ASSERT_EQ(error(fs().close(file)), 0);
  restart();
  EXPECT_EQ(content(node_at("old")), "new");
  std::string expected = pattern(1, 50'000).substr(0, 10'001);
  expected.resize(30'000);
  std::fill(expected.begin() + 100, expected.begin() + 300, '\0');
  EXPECT_TRUE(content(node_at("file")) == expected);
}

TEST_P(Restart, NumbersAreNotUsedAgain) {
  const fs::NodeId gone = make_file("gone");
  ASSERT_EQ(error(fs().unlink(kRoot, kTop, "gone")), 0);
  restart();
  EXPECT_NE(make_file("new"), gone);
}

TEST_P(Restart, ManyTimes) {
  for (int i = 0; i < 5; ++i) {
    make_file("file" + std::to_string(i), pattern(static_cast<std::uint64_t>(i), 10'000));
    restart();
    for (int j = 0; j <= i; ++j) {
      const std::string text = content(node_at("file" + std::to_string(j)));
      ASSERT_TRUE(text == pattern(static_cast<std::uint64_t>(j), 10'000)) << i << " " << j;
    }
  }
}

}  // namespace
}  // namespace ross::conformance
