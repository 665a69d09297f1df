// Goal: every kind of damage that fsck claims to find is found, told in a sentence with its place, and mended or isolated,
// and nothing else is touched. Method: a pool with one of everything is made once; each case copies it, breaks one
// thing in the closed store, and looks at the check, the repair, the check after it and the files.
#include "engine/fsck.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <functional>

#include "engine/pool_fixture.h"

namespace ross::engine {
namespace {

using format::BlockRef;
using format::ContainerId;
using format::KeyKind;
using format::NodeKey;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ContainerId kC{1};

struct Tree {
  std::map<std::string, std::string> content;  // of every file, by path
  std::map<std::string, NodeKey> node;         // of everything, by path
};

// d/a (named d/hard too, with an attribute), d/b (two segments), d/sub/deep, e, link, sparse, kept (reserved blocks), empty.
Tree make_tree(TestFiles& files) {
  Tree tree;
  const auto put = [&](fs::NodeId parent, const std::string& path, std::uint64_t seed, std::size_t size) {
    fs::NodeId node;
    tree.content[path] = pattern(seed, size);
    EXPECT_TRUE(files.put(parent, path.substr(path.rfind('/') + 1), tree.content[path], &node).ok());
    tree.node[path] = {kC, node};
    return node;
  };
  const fs::NodeId d = files.mkdir(fs::kRootNode, "d");
  const fs::NodeId sub = files.mkdir(d, "sub");
  tree.node[""] = {kC, fs::kRootNode};
  tree.node["d"] = {kC, d};
  tree.node["d/sub"] = {kC, sub};
  const fs::NodeId a = put(d, "d/a", 1, 10000);
  put(d, "d/b", 2, 300 * 1024);
  put(sub, "d/sub/deep", 3, 5000);
  put(fs::kRootNode, "e", 4, 8192);
  put(fs::kRootNode, "empty", 5, 0);
  const fs::NodeId kept = put(fs::kRootNode, "kept", 6, 4096);
  const fs::NodeId sparse = put(fs::kRootNode, "sparse", 7, 4096);
  EXPECT_TRUE(files.wait(files.fs().link(files.root(), a, d, "hard")));
  tree.content["d/hard"] = tree.content["d/a"];
  tree.node["d/hard"] = tree.node["d/a"];
  EXPECT_TRUE(files.wait(files.fs().setxattr(files.root(), a, "user.note", "kept", fs::XattrFlags::kSet)).ok());
  auto link = files.wait(files.fs().symlink(files.root(), fs::kRootNode, "link", "d/a"));
  tree.node["link"] = {kC, link->node};
  const auto write_open = [&](fs::NodeId node) {
    return files.wait(files.fs().open(files.root(), node, fs::OpenFlags{.write = true}))->file;
  };
  const fs::FileId kept_file = write_open(kept);
  EXPECT_TRUE(files.wait(files.fs().fallocate(kept_file, fs::Fallocate::kAllocateKeepSize, 0, 256 * 1024)).ok());
  const fs::FileId sparse_file = write_open(sparse);
  EXPECT_TRUE(files.write(sparse_file, 1 << 20, "far").ok());
  tree.content["sparse"].resize(1 << 20, '\0');
  tree.content["sparse"] += "far";
  EXPECT_TRUE(files.wait(files.fs().close(kept_file)).ok());
  EXPECT_TRUE(files.wait(files.fs().close(sparse_file)).ok());
  return tree;
}

// The files that are not named in `except` are there with their content.
void expect_unharmed(TestFiles& files, const Tree& tree, const std::vector<std::string>& except = {}) {
  for (const auto& [path, content] : tree.content) {
    if (std::find(except.begin(), except.end(), path) != except.end()) continue;
    const auto node = files.find(path);
    ASSERT_TRUE(node) << path << " is gone";
    const auto got = files.get(*node);
    ASSERT_TRUE(got) << path << ": " << got.error().message();
    EXPECT_TRUE(*got == content) << path << " has other content";
  }
}

std::string told(const FsckReport& report) {
  std::string text;
  for (const FsckFinding& finding : report.findings) {
    text += finding.where + ": " + finding.what + (finding.repaired ? " (mended)\n" : "\n");
  }
  return text;
}

auto finding(const std::string& where, const std::string& what) {
  return AllOf(Field(&FsckFinding::where, HasSubstr(where)), Field(&FsckFinding::what, HasSubstr(what)));
}

class FsckTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    template_ = new TestDirectory;
    tree_ = new Tree;
    ASSERT_TRUE(Pool::create(*template_ / "pool", small_pool()).ok());
    auto pool = Pool::open(*template_ / "pool", quiet_options());
    ASSERT_TRUE(pool) << pool.error().message();
    ASSERT_TRUE((*pool)->create_container("c", {}).ok());
    ASSERT_TRUE((*pool)->create_container("other", {}).ok());
    ASSERT_TRUE((*pool)->close().ok());
    {
      TestFiles other(*template_ / "pool", "other");
      ASSERT_TRUE(other.put(fs::kRootNode, "file", pattern(99, 70000)).ok());
    }
    TestFiles files(*template_ / "pool");
    *tree_ = make_tree(files);
  }
  static void TearDownTestSuite() {
    delete tree_;
    delete template_;
  }

  FsckTest() : pool_(directory_ / "pool") { copy_pool(*template_ / "pool", pool_); }

  FsckReport check(const FsckOptions& options) {
    auto report = fsck(pool_, quiet_options(), options);
    EXPECT_TRUE(report) << report.error().message();
    return report ? *std::move(report) : FsckReport();
  }

  // The check tells of `where` and `what` and changes nothing; the repair mends everything; then all is clean and works. What is not
  // in `lost` is unharmed.
  void expect_found_and_mended(const std::string& where, const std::string& what,
                               const std::vector<std::string>& lost = {}, bool data = false) {
    const auto before = bytes_of(pool_);
    const FsckReport found = check({.data = data});
    EXPECT_THAT(found.findings, Contains(finding(where, what))) << told(found);
    EXPECT_EQ(found.findings_total, found.findings.size());
    for (const FsckFinding& one : found.findings) EXPECT_FALSE(one.repaired) << one.what;
    EXPECT_TRUE(bytes_of(pool_) == before) << "a check changed the pool";

    const FsckReport mended = check({.repair = true, .data = data});
    EXPECT_EQ(told(mended).size(), told(found).size() + found.findings.size() * std::string(" (mended)").size())
        << told(found) << "then\n"
        << told(mended);
    for (const FsckFinding& one : mended.findings) EXPECT_TRUE(one.repaired) << one.what;
    expect_clean_and_working(lost);
  }

  void expect_clean_and_working(const std::vector<std::string>& lost) {
    EXPECT_EQ(told(check({})), "") << "after the repair";
    EXPECT_EQ(told(check({.data = true})), "") << "after the repair, with data";
    {
      TestFiles files(pool_);
      ASSERT_TRUE(files.ok());
      expect_unharmed(files, *tree_, lost);
      fs::NodeId fresh;
      ASSERT_TRUE(files.put(fs::kRootNode, "fresh", pattern(50, 100000), &fresh).ok());
      EXPECT_EQ(files.get(fresh).value_or(""), pattern(50, 100000));
      EXPECT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "fresh")).ok());
    }
    {
      TestFiles other(pool_, "other");
      ASSERT_TRUE(other.ok());
      EXPECT_EQ(other.get(*other.find("file")).value_or(""), pattern(99, 70000));
    }
    EXPECT_EQ(told(check({.data = true})), "") << "after use";
  }

  [[nodiscard]] NodeKey node(const std::string& path) const { return tree_->node.at(path); }
  static std::string name_key(NodeKey directory, RawStore& raw, std::string_view name) {
    return format::entry_key(directory, format::name_hash(raw.container(directory.container).name_seed, name), name);
  }
  // What lost+found of the container holds under a node's number.
  std::string found_name(const std::string& path) { return "lost+found/#" + std::to_string(node(path).node.value); }

  void edit_inode(const std::string& path, const std::function<void(format::InodeRecord&)>& edit) {
    RawStore raw(pool_);
    format::InodeRecord record = raw.inode(node(path));
    edit(record);
    raw.put_inode(node(path), record);
  }
  void edit_container(const std::function<void(format::ContainerRecord&)>& edit) {
    RawStore raw(pool_);
    format::ContainerRecord record = raw.container(kC);
    edit(record);
    raw.put(format::container_key(kC), format::encode(record));
  }
  // Turns over one bit of a stored block on the device.
  void flip_device_bit(format::BlockAddress address, std::uint32_t byte = 77) {
    std::fstream device(pool_ / "data0", std::ios::in | std::ios::out | std::ios::binary);
    const auto at = static_cast<std::streamoff>(format::block_of(address) * format::kBlockBytes + byte);
    device.seekg(at);
    const int old = device.get();
    device.seekp(at);
    device.put(static_cast<char>(old ^ 4));
    ASSERT_TRUE(device.good());
  }

  TestDirectory directory_;
  const std::filesystem::path pool_;
  static inline TestDirectory* template_ = nullptr;
  static inline Tree* tree_ = nullptr;
};

TEST_F(FsckTest, APoolInOrderIsClean) {
  const auto before = bytes_of(pool_);
  const FsckReport report = check({.data = true});
  EXPECT_EQ(told(report), "");
  EXPECT_TRUE(report.clean());
  EXPECT_EQ(report.nodes, 13U);  // two roots, d, d/sub, seven files, the link; and the file of `other`
  EXPECT_EQ(report.entries, 12U);
  EXPECT_GT(report.data_bytes, 400000U);
  EXPECT_TRUE(bytes_of(pool_) == before) << "a check changed the pool";
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
  const auto before = bytes_of(pool_);
  EXPECT_THAT(check({}).findings, Contains(finding("container 1", "the container's record is damaged")));
  EXPECT_TRUE(bytes_of(pool_) == before);
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
    raw.put(format::pool_key(), format::encode(format::PoolRecord{.version = format::kFormatVersion + 1}));
  }
  const auto before = bytes_of(pool_);
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
