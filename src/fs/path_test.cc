// Goal: paths mean what they mean in POSIX. Method: one small tree in the model file system, asked in many ways.
#include "fs/path.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>

#include "model/model_file_system.h"

namespace ross::fs {
namespace {

class PathTest : public testing::Test {
 protected:
  PathTest() : loop(std::move(runtime::Loop::create({.clock = &clock}).value())), fs(clock) {
    a = run(fs.mkdir(root, kRootNode, "a", 0755))->node;
    b = run(fs.mkdir(root, a, "b", 0755))->node;
    file = run(fs.mknod(root, b, "file", S_IFREG | 0644, 0))->node;
    link("/", "to_b", "a/b");
    link("/", "to_file", "a/b/file");
    link("/a", "absolute", "/a/b");
    link("/", "dangling", "nothing");
    link("/", "loop", "loop");
  }
  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }
  NodeId link(std::string_view directory, std::string_view name, std::string_view target) {
    const auto parent = run(resolve(fs, root, kRootNode, directory, Follow::kYes));
    return run(fs.symlink(root, parent->node, name, target))->node;
  }
  // The node, or minus the errno.
  std::int64_t at(std::string_view path, Follow follow = Follow::kYes, NodeId start = kRootNode) {
    const Result<Attr> found = run(resolve(fs, root, start, path, follow));
    return found ? static_cast<std::int64_t>(found->node.value) : -found.error().error();
  }
  static std::int64_t id(NodeId node) { return static_cast<std::int64_t>(node.value); }

  SimClock clock;
  std::unique_ptr<runtime::Loop> loop;
  model::ModelFileSystem fs;
  Credential root;
  NodeId a, b, file;
};

TEST_F(PathTest, WalksDownAndUp) {
  EXPECT_EQ(at("/"), id(kRootNode));
  EXPECT_EQ(at("//"), id(kRootNode));
  EXPECT_EQ(at("."), id(kRootNode));
  EXPECT_EQ(at(".", Follow::kYes, b), id(b));
  EXPECT_EQ(at("a/b/file"), id(file));
  EXPECT_EQ(at("//a///b//file"), id(file));
  EXPECT_EQ(at("a/./b/../b/file"), id(file));
  EXPECT_EQ(at("../../.."), id(kRootNode));
  EXPECT_EQ(at("../b/file", Follow::kYes, b), id(file));
  EXPECT_EQ(at("/a", Follow::kYes, b), id(a));
  EXPECT_EQ(at("a/b/"), id(b));
}

TEST_F(PathTest, WhatIsNotThere) {
  EXPECT_EQ(at(""), -ENOENT);
  EXPECT_EQ(at("nothing"), -ENOENT);
  EXPECT_EQ(at("nothing/.."), -ENOENT);
  EXPECT_EQ(at("a/b/file/"), -ENOTDIR);
  EXPECT_EQ(at("a/b/file/x"), -ENOTDIR);
  EXPECT_EQ(at("a/b/file/.."), -ENOTDIR);
  EXPECT_EQ(at("a/b/file/."), -ENOTDIR);
  EXPECT_EQ(at("a", Follow::kYes, file), -ENOTDIR);
}

TEST_F(PathTest, FollowsLinks) {
  EXPECT_EQ(at("to_b"), id(b));
  EXPECT_EQ(at("to_b/file"), id(file));
  EXPECT_EQ(at("to_b/.."), id(a));
  EXPECT_EQ(at("a/absolute/file"), id(file));
  EXPECT_EQ(at("to_file"), id(file));
  EXPECT_EQ(at("to_file/"), -ENOTDIR);
  EXPECT_EQ(at("dangling"), -ENOENT);
  EXPECT_EQ(at("dangling/"), -ENOENT);
  EXPECT_EQ(at("loop"), -ELOOP);
  EXPECT_EQ(at("loop/x"), -ELOOP);
}

TEST_F(PathTest, LeavesTheLastLinkWhenTold) {
  const NodeId self = link("/", "self", "a");
  EXPECT_EQ(at("self", Follow::kNo), id(self));
  EXPECT_EQ(at("self/", Follow::kNo), id(a));  // a trailing slash asks for what the link means
  EXPECT_EQ(at("self/b", Follow::kNo), id(b));
  EXPECT_GT(at("loop", Follow::kNo), 0);
}

TEST_F(PathTest, ChainsOfLinksHaveABound) {
  NodeId last = file;
  link("/", "l0", "a/b/file");
  for (int i = 1; i <= kSymlinksMax; ++i) last = link("/", "l" + std::to_string(i), "l" + std::to_string(i - 1));
  EXPECT_EQ(at("l" + std::to_string(kSymlinksMax - 1)), id(file));
  EXPECT_EQ(at("l" + std::to_string(kSymlinksMax)), -ELOOP);
  EXPECT_EQ(at("l" + std::to_string(kSymlinksMax), Follow::kNo), id(last));
}

TEST_F(PathTest, LengthsHaveBounds) {
  std::string longest;
  while (longest.size() < kPathBytesMax) longest += "./";
  EXPECT_EQ(at(longest), id(kRootNode));
  EXPECT_EQ(at(longest + "."), -ENAMETOOLONG);
  EXPECT_EQ(at(std::string(kNameBytesMax, 'x')), -ENOENT);
  EXPECT_EQ(at(std::string(kNameBytesMax + 1, 'x')), -ENAMETOOLONG);
  EXPECT_EQ(at(std::string_view("a\0b", 3)), -EINVAL);
}

TEST_F(PathTest, NeedsSearchPermissionOnTheWay) {
  ASSERT_TRUE(run(fs.setattr(root, a, {.mode = 0600})).has_value());
  const Credential other{.uid = 1000, .gid = 1000};
  for (const std::string_view path : {"a/b", "a/.", "a/..", "a/"}) {
    const auto found = run(resolve(fs, other, kRootNode, path, Follow::kYes));
    const bool reached = path == "a/";  // naming a directory does not search it
    EXPECT_EQ(found.has_value(), reached) << path;
    if (!found) {
      EXPECT_EQ(found.error().error(), EACCES) << path;
    }
  }
}

TEST_F(PathTest, TellsWhereANewNameWouldGo) {
  const auto place = [this](std::string_view path) { return run(resolve_parent(fs, root, kRootNode, path)); };
  EXPECT_EQ(place("new")->parent, kRootNode);
  EXPECT_EQ(place("/new")->parent, kRootNode);
  EXPECT_EQ(place("a/b/new")->parent, b);
  EXPECT_EQ(place("a/b/new")->name, "new");
  EXPECT_FALSE(place("a/b/new")->wants_directory);
  EXPECT_EQ(place("a/b/new//")->parent, b);
  EXPECT_EQ(place("a/b/new//")->name, "new");
  EXPECT_TRUE(place("a/b/new//")->wants_directory);
  EXPECT_EQ(place("to_b/new")->parent, b);
  EXPECT_EQ(place("to_b")->parent, kRootNode);  // the last link is not followed
  EXPECT_TRUE(place("/")->special);
  EXPECT_TRUE(place("a/.")->special);
  EXPECT_TRUE(place("a/..")->special);
  EXPECT_TRUE(place("..//")->special);
  EXPECT_FALSE(place("a/...")->special);
  EXPECT_EQ(place("").error().error(), ENOENT);
  EXPECT_EQ(place("nothing/new").error().error(), ENOENT);
  EXPECT_EQ(place("a/b/file/new").error().error(), ENOTDIR);
}

}  // namespace
}  // namespace ross::fs
