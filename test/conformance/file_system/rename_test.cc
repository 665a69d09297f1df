// Rename: replacing, not replacing, exchanging; what may take whose place; directories on the move.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Rename);

constexpr auto kReplace = fs::RenameFlags::kReplace;
constexpr auto kNoReplace = fs::RenameFlags::kNoReplace;
constexpr auto kExchange = fs::RenameFlags::kExchange;

TEST_P(Rename, MovesAName) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId file = make_file("a", "text");
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "b", kReplace)), 0);
  EXPECT_EQ(node_at("b"), file);
  EXPECT_FALSE(exists("a"));
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "b", dir, "c", kNoReplace)), 0);
  EXPECT_EQ(node_at("c", dir), file);
  EXPECT_FALSE(exists("b"));
  EXPECT_EQ(content(file), "text");
  EXPECT_EQ(attr(file).links, 1U);
}

TEST_P(Rename, ReplacesAFile) {
  const fs::NodeId a = make_file("a", "new");
  const fs::NodeId b = make_file("b", "old");
  const fs::FileId held = open(b);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "b", kReplace)), 0);
  EXPECT_EQ(node_at("b"), a);
  EXPECT_EQ(names(kTop), std::vector<std::string>{"b"});
  EXPECT_EQ(read(held, 0, 10), "old");
  EXPECT_EQ(attr(b).links, 0U);
  EXPECT_EQ(error(fs().close(held)), 0);
  EXPECT_EQ(error(fs().getattr(b)), ESTALE);
}

TEST_P(Rename, ReplacesOneNameOfSeveral) {
  make_file("a", "new");
  const fs::NodeId b = make_file("b", "old");
  EXPECT_EQ(error(fs().link(kRoot, b, kTop, "c")), 0);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "b", kReplace)), 0);
  EXPECT_EQ(attr(b).links, 1U);
  EXPECT_EQ(content(node_at("c")), "old");
}

TEST_P(Rename, TwoNamesOfOneFileStayAsTheyAre) {
  const fs::NodeId a = make_file("a", "text");
  EXPECT_EQ(error(fs().link(kRoot, a, kTop, "b")), 0);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "b", kReplace)), 0);
  EXPECT_EQ(node_at("a"), a);
  EXPECT_EQ(node_at("b"), a);
  EXPECT_EQ(attr(a).links, 2U);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "a", kReplace)), 0);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "b", kExchange)), 0);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "b", kNoReplace)), EEXIST);
  EXPECT_EQ(attr(a).links, 2U);
}

TEST_P(Rename, NoReplaceRefuses) {
  const fs::NodeId a = make_file("a");
  const fs::NodeId b = make_file("b");
  make_dir("d");
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "b", kNoReplace)), EEXIST);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", kTop, "d", kNoReplace)), EEXIST);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "nothing", kTop, "b", kNoReplace)), ENOENT);
  EXPECT_EQ(node_at("a"), a);
  EXPECT_EQ(node_at("b"), b);
}

TEST_P(Rename, WhatMayTakeWhosePlace) {
  make_file("file");
  make_link("link", "x");
  make_dir("empty");
  make_dir("other");
  const fs::NodeId full = make_dir("full");
  make_file("x", "", full);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "file", kTop, "empty", kReplace)), EISDIR);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "link", kTop, "empty", kReplace)), EISDIR);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "empty", kTop, "file", kReplace)), ENOTDIR);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "empty", kTop, "link", kReplace)), ENOTDIR);
  const int not_empty = error(fs().rename(kRoot, kTop, "empty", kTop, "full", kReplace));
  EXPECT_TRUE(not_empty == ENOTEMPTY || not_empty == EEXIST) << not_empty;
  EXPECT_EQ(names(kTop), (std::vector<std::string>{"empty", "file", "full", "link", "other"}));
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "link", kTop, "file", kReplace)), 0);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "full", kTop, "empty", kReplace)), 0);
  EXPECT_EQ(node_at("empty"), full);
  EXPECT_EQ(names(kTop), (std::vector<std::string>{"empty", "file", "other"}));
  EXPECT_EQ(attr(kTop).links, 4U);
}

TEST_P(Rename, Errors) {
  const fs::NodeId file = make_file("file");
  const fs::NodeId stale(1ULL << 60);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "nothing", kTop, "x", kReplace)), ENOENT);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "nothing", kTop, "file", kExchange)), ENOENT);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "file", kTop, "nothing", kExchange)), ENOENT);
  EXPECT_EQ(error(fs().rename(kRoot, file, "x", kTop, "y", kReplace)), ENOTDIR);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "file", file, "y", kReplace)), ENOTDIR);
  EXPECT_EQ(error(fs().rename(kRoot, stale, "x", kTop, "y", kReplace)), ESTALE);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "file", stale, "y", kReplace)), ESTALE);
  EXPECT_EQ(names(kTop), std::vector<std::string>{"file"});
}

TEST_P(Rename, ADirectoryTakesItsTreeAlong) {
  const fs::NodeId from = make_dir("from");
  const fs::NodeId to = make_dir("to");
  const fs::NodeId moved = make_dir("moved", from);
  const fs::NodeId below = make_dir("below", moved);
  make_file("file", "deep", below);
  EXPECT_EQ(error(fs().rename(kRoot, from, "moved", to, "here", kReplace)), 0);
  EXPECT_EQ(attr(from).links, 2U);
  EXPECT_EQ(attr(to).links, 3U);
  EXPECT_EQ(run(fs().parent(moved)).value(), to);
  EXPECT_EQ(run(fs().parent(below)).value(), moved);
  EXPECT_EQ(content(node_at("file", node_at("below", node_at("here", to)))), "deep");
}

TEST_P(Rename, ADirectoryDoesNotGoIntoItself) {
  const fs::NodeId a = make_dir("a");
  const fs::NodeId b = make_dir("b", a);
  const fs::NodeId c = make_dir("c", b);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", a, "x", kReplace)), EINVAL);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", c, "x", kReplace)), EINVAL);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", c, "x", kNoReplace)), EINVAL);
  EXPECT_EQ(error(fs().rename(kRoot, a, "b", b, "x", kReplace)), EINVAL);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", b, "c", kExchange)), EINVAL);
  EXPECT_EQ(error(fs().rename(kRoot, b, "c", kTop, "a", kExchange)), EINVAL);
  const int onto_ancestor = error(fs().rename(kRoot, b, "c", kTop, "a", kReplace));
  EXPECT_TRUE(onto_ancestor == ENOTEMPTY || onto_ancestor == EEXIST) << onto_ancestor;
  EXPECT_EQ(run(fs().parent(c)).value(), b);
  EXPECT_EQ(error(fs().rename(kRoot, b, "c", kTop, "c", kReplace)), 0);
  EXPECT_EQ(attr(b).links, 2U);
  EXPECT_EQ(attr(kTop).links, 4U);
}

TEST_P(Rename, ExchangeSwapsNames) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId a = make_file("a", "A");
  const fs::NodeId b = make_link("b", "B", dir);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "a", dir, "b", kExchange)), 0);
  EXPECT_EQ(node_at("a"), b);
  EXPECT_EQ(node_at("b", dir), a);
  EXPECT_EQ(attr(a).links, 1U);
  EXPECT_EQ(attr(b).links, 1U);
}

TEST_P(Rename, ExchangeOfDirectoriesAndFiles) {
  const fs::NodeId one = make_dir("one");
  const fs::NodeId two = make_dir("two");
  const fs::NodeId x = make_dir("x", one);
  const fs::NodeId y = make_file("y", "Y", two);
  make_file("inside", "", x);
  EXPECT_EQ(error(fs().rename(kRoot, one, "x", two, "y", kExchange)), 0);
  EXPECT_EQ(node_at("x", one), y);
  EXPECT_EQ(node_at("y", two), x);
  EXPECT_EQ(attr(one).links, 2U);
  EXPECT_EQ(attr(two).links, 3U);
  EXPECT_EQ(run(fs().parent(x)).value(), two);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "one", kTop, "two", kExchange)), 0);
  EXPECT_EQ(node_at("one"), two);
  EXPECT_EQ(attr(kTop).links, 4U);
}

TEST_P(Rename, RemovedAfterMoving) {
  const fs::NodeId dir = make_dir("dir");
  make_dir("x", dir);
  EXPECT_EQ(error(fs().rename(kRoot, dir, "x", kTop, "y", kReplace)), 0);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "dir")), 0);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "y")), 0);
  EXPECT_TRUE(names(kTop).empty());
  EXPECT_EQ(attr(kTop).links, 2U);
}

}  // namespace
}  // namespace ross::conformance
