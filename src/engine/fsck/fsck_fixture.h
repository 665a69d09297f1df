// FsckTest: a small pool with known content, closed, to be damaged record by record and then judged.
//
// Threading: owner thread.
#pragma once

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <functional>
#include "engine/fsck.h"
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
    const auto before = files_of(pool_);
    const FsckReport found = check({.data = data});
    EXPECT_THAT(found.findings, Contains(finding(where, what))) << told(found);
    EXPECT_EQ(found.findings_total, found.findings.size());
    for (const FsckFinding& one : found.findings) EXPECT_FALSE(one.repaired) << one.what;
    EXPECT_TRUE(files_of(pool_) == before) << "a check changed the pool";

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

}  // namespace
}  // namespace ross::engine
