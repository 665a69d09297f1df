// Goal: every kind of damage that fsck claims to find is found, told in a sentence with its place, and mended or isolated,
// and nothing else is touched. Method: a pool with one of everything is made once; each case copies it, breaks one
// thing in the closed store, and looks at the check, the repair, the check after it and the files.
#include "engine/fsck/fsck_fixture.h"

namespace ross::engine {
namespace {

TEST_F(FsckTest, APoolInOrderIsClean) {
  const auto before = files_of(pool_);
  const FsckReport report = check({.data = true});
  EXPECT_EQ(told(report), "");
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.nodes, 13U);  // two roots, d, d/sub, seven files, the link; and the file of `other`
  EXPECT_EQ(report.entries, 12U);
  EXPECT_GT(report.data_bytes, 400000U);
  EXPECT_TRUE(files_of(pool_) == before) << "a check changed the pool";
  const FsckReport nothing_to_mend = check({.repair = true, .data = true});
  EXPECT_TRUE(nothing_to_mend.clean());
  expect_clean_and_working({});
}

TEST_F(FsckTest, TheProgressEndsAtItsTotal) {
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  check({.progress = [&](std::uint64_t at, std::uint64_t of) { done = at, total = of; }});
  EXPECT_GT(done, 0U);
  EXPECT_EQ(done, total);
}

TEST_F(FsckTest, AKilledPoolIsClean) {
  const std::filesystem::path image = directory_ / "killed";
  {
    TestFiles files(pool_);
    ASSERT_TRUE(files.ok());
    const fs::NodeId d = node("d").node;
    ASSERT_TRUE(files.put(d, "synced", pattern(20, 6000)).ok());
    auto held = files.create(d, "held");
    ASSERT_TRUE(held);
    ASSERT_TRUE(files.write(*held, 0, pattern(21, 200000)).ok());
    ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), d, "held")).ok());
    ASSERT_TRUE(files.wait(files.fs().sync()).ok());
    ASSERT_TRUE(files.put(d, "unsynced", pattern(22, 300000)).ok());
    copy_pool(pool_, image);
    ASSERT_TRUE(files.wait(files.fs().close(*held)).ok());
  }
  for (const bool repair : {false, true}) {
    auto report = fsck(image, quiet_options(), {.repair = repair, .data = true});
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(told(*report), "");
  }
  TestFiles files(image);
  expect_unharmed(files, *tree_);
  EXPECT_EQ(files.get(*files.find("d/synced")).value_or(""), pattern(20, 6000));
  EXPECT_EQ(files.find("d/unsynced").error().error(), ENOENT);
  EXPECT_EQ(files.find("d/held").error().error(), ENOENT);
}

// ---- names, nodes, links ----

TEST_F(FsckTest, AnEntryWithoutANode) {
  {
    RawStore raw(pool_);
    raw.erase(format::node_key(KeyKind::kInode, node("d/a")));
  }
  expect_found_and_mended("c/d/a", "the entry names a node that is not there", {"d/a", "d/hard"});
}

TEST_F(FsckTest, ANodeWithoutAName) {
  {
    RawStore raw(pool_);
    raw.erase(name_key(node("d"), raw, "b"));
  }
  expect_found_and_mended("c: node " + std::to_string(node("d/b").node.value), "has no name", {"d/b"});
  TestFiles files(pool_);
  EXPECT_EQ(files.get(*files.find(found_name("d/b"))).value_or(""), tree_->content.at("d/b"));
}

TEST_F(FsckTest, ADirectoryWithoutANameKeepsWhatItHolds) {
  {
    RawStore raw(pool_);
    raw.erase(name_key(node(""), raw, "d"));
  }
  expect_found_and_mended("c: node", "has no name", {"d/a", "d/b", "d/hard", "d/sub/deep"});
  TestFiles files(pool_);
  EXPECT_EQ(files.get(*files.find(found_name("d") + "/sub/deep")).value_or(""), tree_->content.at("d/sub/deep"));
}

TEST_F(FsckTest, ANamelessNodeWithAnOrphanRecordAndLinksIsKept) {
  {
    RawStore raw(pool_);
    raw.erase(name_key(node("d"), raw, "b"));
    raw.put(format::node_key(KeyKind::kOrphan, node("d/b")), "");
  }
  expect_found_and_mended("c: node", "has no name", {"d/b"});
  TestFiles files(pool_);
  EXPECT_EQ(files.get(*files.find(found_name("d/b"))).value_or(""), tree_->content.at("d/b"));
}

TEST_F(FsckTest, LinkCounts) {
  edit_inode("d/a", [](auto& record) { record.links = 7; });
  edit_inode("d", [](auto& record) { record.links = 2; });
  edit_inode("e", [](auto& record) { record.links = 0; });
  expect_found_and_mended("c/d", "the link count is 7 and should be 2");
}

TEST_F(FsckTest, TheNumberOfEntries) {
  edit_inode("d", [](auto& record) { record.entries = 0; });
  expect_found_and_mended("c/d", "the number of entries is 0 and should be 4");
}

TEST_F(FsckTest, ADamagedInode) {
  {
    RawStore raw(pool_);
    raw.put(format::node_key(KeyKind::kInode, node("d/b")), "garbage");
  }
  expect_found_and_mended("c: node " + std::to_string(node("d/b").node.value), "the inode is damaged", {"d/b"});
}

TEST_F(FsckTest, AnInodeOfNoContainer) {
  {
    RawStore raw(pool_);
    raw.put_inode({ContainerId(77), fs::NodeId(5)}, raw.inode(node("e")));
    raw.put(format::node_key(KeyKind::kInode, {kC, fs::NodeId(6)}) + "x", "");
  }
  expect_found_and_mended("pool", "an inode belongs to no container");
}

TEST_F(FsckTest, ADamagedEntry) {
  {
    RawStore raw(pool_);
    raw.put(name_key(node(""), raw, "e"), "xy");
  }
  expect_found_and_mended("c/e", "the entry is damaged", {"e"});
  TestFiles files(pool_);
  EXPECT_EQ(files.get(*files.find(found_name("e"))).value_or(""), tree_->content.at("e"));
}

TEST_F(FsckTest, AnEntryUnderTheWrongHashIsFiledRight) {
  {
    RawStore raw(pool_);
    const std::string key = name_key(node(""), raw, "e");
    raw.put(format::entry_key(node(""), 12345, "e"), raw.get(key));
    raw.erase(key);
  }
  expect_found_and_mended("c/e", "the entry is filed under the wrong hash");
}

TEST_F(FsckTest, AnEntryUnderTheWrongHashGivesWayToTheRightOne) {
  {
    RawStore raw(pool_);
    raw.put(format::entry_key(node(""), 12345, "e"), format::encode(format::EntryRecord{node("d/b").node, S_IFREG}));
  }
  expect_found_and_mended("c/e", "the entry is filed under the wrong hash");
}

TEST_F(FsckTest, AnEntryWithAnImpossibleName) {
  {
    RawStore raw(pool_);
    for (const std::string_view name : {"..", "x/y"}) {
      raw.put(name_key(node(""), raw, name), format::encode(format::EntryRecord{node("e").node, S_IFREG}));
    }
  }
  expect_found_and_mended("c/..", "the entry is damaged");
}

TEST_F(FsckTest, AnEntryInNoDirectory) {
  {
    RawStore raw(pool_);
    raw.put(name_key(node("e"), raw, "below"), format::encode(format::EntryRecord{node("d/b").node, S_IFREG}));
    raw.put(format::entry_key({kC, fs::NodeId(4444)}, 9, "lost"),
            format::encode(format::EntryRecord{node("d/b").node, S_IFREG}));
  }
  expect_found_and_mended("pool", "the entry 'below' is in no directory");
}

TEST_F(FsckTest, ADirectoryWithTwoNames) {
  {
    RawStore raw(pool_);
    raw.put(name_key(node(""), raw, "again"), format::encode(format::EntryRecord{node("d/sub").node, S_IFDIR}));
  }
  const FsckReport found = check({});
  EXPECT_THAT(found.findings, Contains(finding("c/", "a directory has a second name"))) << told(found);
  check({.repair = true});
  EXPECT_EQ(told(check({.data = true})), "");
  TestFiles files(pool_);
  expect_unharmed(files, *tree_, {"d/sub/deep"});
  const auto one = files.find("d/sub/deep");
  const auto other = files.find("again/deep");
  EXPECT_NE(one.has_value(), other.has_value()) << "the directory has not exactly one name";
}

TEST_F(FsckTest, TheRootAsAnEntry) {
  {
    RawStore raw(pool_);
    raw.put(name_key(node("d"), raw, "up"), format::encode(format::EntryRecord{fs::kRootNode, S_IFDIR}));
  }
  expect_found_and_mended("c/d/up", "a directory has a second name");
}

TEST_F(FsckTest, AnEntryOfAnotherType) {
  {
    RawStore raw(pool_);
    raw.put(name_key(node(""), raw, "e"), format::encode(format::EntryRecord{node("e").node, S_IFDIR}));
  }
  expect_found_and_mended("c/e", "another type");
}

TEST_F(FsckTest, ADirectoryWithTheWrongParent) {
  edit_inode("d/sub", [this](auto& record) { record.parent = node("").node.value; });
  expect_found_and_mended("c/d/sub", "is not where its parent's number says");
}

TEST_F(FsckTest, ARingOfDirectories) {
  {
    RawStore raw(pool_);
    const std::string key = name_key(node(""), raw, "d");
    raw.put(name_key(node("d/sub"), raw, "d"), raw.get(key));
    raw.erase(key);
  }
  expect_found_and_mended("c: node", "in a ring", {"d/a", "d/b", "d/hard", "d/sub/deep"});
  TestFiles files(pool_);
  auto at = files.find("lost+found");
  ASSERT_TRUE(at);
  auto below = files.wait(files.fs().readdir(files.root(), *at, {}));
  ASSERT_TRUE(below);
  ASSERT_EQ(below->size(), 1U) << "the ring hangs at one directory";
}

TEST_F(FsckTest, NoRoot) {
  for (const bool garbled : {false, true}) {
    SCOPED_TRACE(garbled ? "garbled" : "missing");
    RawStore raw(pool_);
    if (garbled) {
      raw.put(format::node_key(KeyKind::kInode, node("")), "?");
    } else {
      raw.erase(format::node_key(KeyKind::kInode, node("")));
    }
  }
  expect_found_and_mended("c", "the container has no root directory");
}

TEST_F(FsckTest, ARootThatIsAFile) {
  {
    RawStore raw(pool_);
    raw.put_inode(node(""), raw.inode(node("e")));
    raw.put_segment(node(""), 0, {{.address = format::kReserved, .crc = 0}});
  }
  expect_found_and_mended("c", "the container has no root directory");
}

TEST_F(FsckTest, ALinkWithoutATarget) {
  {
    RawStore raw(pool_);
    raw.erase(format::node_key(KeyKind::kSymlink, node("link")));
  }
  expect_found_and_mended("c/link", "the link has no target");
}

TEST_F(FsckTest, ALinkOfTheWrongSize) {
  edit_inode("link", [](auto& record) { record.size_bytes = 99; });
  expect_found_and_mended("c/link", "the link's size is not its target's");
}

TEST_F(FsckTest, RecordsWithoutTheirNode) {
  const NodeKey nobody{kC, fs::NodeId(5555)};
  {
    RawStore raw(pool_);
    raw.put(format::node_key(KeyKind::kSymlink, node("e")), "target");
    raw.put(format::node_key(KeyKind::kOrphan, nobody), "");
    raw.put(format::xattr_key(nobody, "user.x"), "value");
    raw.put_segment(nobody, 0, {{.address = format::kReserved, .crc = 0}});
    raw.put_segment(node("d"), 0, {{.address = format::kReserved, .crc = 0}});
  }
  const FsckReport found = check({});
  EXPECT_THAT(found.findings, Contains(finding("pool", "a link's target belongs to no link")));
  EXPECT_THAT(found.findings, Contains(finding("pool", "an orphan record names a node that is not there")));
  EXPECT_THAT(found.findings, Contains(finding("pool", "an extended attribute belongs to no node")));
  expect_found_and_mended("pool", "a mapping belongs to no file");
}

TEST_F(FsckTest, AnAttributeThatTheInodeDoesNotKnow) {
  edit_inode("d/a", [](auto& record) { record.flags = 0; });
  expect_found_and_mended("c/d", "the flags");
  TestFiles files(pool_);
  EXPECT_EQ(files.wait(files.fs().getxattr(files.root(), node("d/a").node, "user.note")).value_or(""), "kept");
}

// ---- mappings and space ----

}  // namespace
}  // namespace ross::engine
