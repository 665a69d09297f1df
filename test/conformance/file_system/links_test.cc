// Hard links, taking names away, and files that live on while open.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Links);

TEST_P(Links, AllNamesAreOneFile) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId file = make_file("a", "text");
  EXPECT_EQ(run(fs().link(kRoot, file, dir, "b"))->links, 2U);
  EXPECT_EQ(run(fs().link(kRoot, file, kTop, "c"))->links, 3U);
  EXPECT_EQ(node_at("b", dir), file);
  EXPECT_EQ(node_at("c"), file);
  EXPECT_EQ(write(open(node_at("b", dir)), 0, "T"), 0);
  EXPECT_EQ(content(file), "Text");
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "a")), 0);
  EXPECT_EQ(attr(file).links, 2U);
  EXPECT_EQ(error(fs().unlink(kRoot, dir, "b")), 0);
  EXPECT_EQ(attr(file).links, 1U);
  EXPECT_EQ(content(node_at("c")), "Text");
}

TEST_P(Links, AnyFileButADirectory) {
  const fs::NodeId dir = make_dir("dir");
  EXPECT_EQ(error(fs().link(kRoot, dir, kTop, "x")), EPERM);
  EXPECT_EQ(error(fs().link(kRoot, kTop, kTop, "x")), EPERM);
  const fs::NodeId symlink = make_link("s", "t");
  EXPECT_EQ(error(fs().link(kRoot, symlink, kTop, "s2")), 0);
  EXPECT_EQ(run(fs().readlink(node_at("s2"))).value(), "t");
  EXPECT_EQ(attr(symlink).links, 2U);
  const fs::NodeId fifo = run(fs().mknod(kRoot, kTop, "f", S_IFIFO | 0600, 0))->node;
  EXPECT_EQ(error(fs().link(kRoot, fifo, dir, "f2")), 0);
  EXPECT_FALSE(exists("x"));
}

TEST_P(Links, LinkErrors) {
  const fs::NodeId file = make_file("a");
  EXPECT_EQ(error(fs().link(kRoot, file, file, "x")), ENOTDIR);
  EXPECT_EQ(error(fs().link(kRoot, fs::NodeId(1ULL << 60), kTop, "x")), ESTALE);
  EXPECT_EQ(error(fs().link(kRoot, file, fs::NodeId(1ULL << 60), "x")), ESTALE);
  open(file);
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "a")), 0);
  EXPECT_EQ(error(fs().link(kRoot, file, kTop, "back")), ENOENT);  // what is gone stays gone
}

TEST_P(Links, UnlinkErrors) {
  make_dir("dir");
  const fs::NodeId file = make_file("file");
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "nothing")), ENOENT);
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "dir")), EISDIR);
  EXPECT_EQ(error(fs().unlink(kRoot, file, "x")), ENOTDIR);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "nothing")), ENOENT);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "file")), ENOTDIR);
  EXPECT_TRUE(exists("dir"));
  EXPECT_TRUE(exists("file"));
}

TEST_P(Links, AnUnlinkedNodeIsStale) {
  const fs::NodeId file = make_file("file", "text");
  const fs::NodeId dir = make_dir("dir");
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "file")), 0);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "dir")), 0);
  EXPECT_EQ(error(fs().getattr(file)), ESTALE);
  EXPECT_EQ(error(fs().open(kRoot, file, {.read = true})), ESTALE);
  EXPECT_EQ(error(fs().setattr(kRoot, file, {.mode = 0600})), ESTALE);
  EXPECT_EQ(error(fs().getattr(dir)), ESTALE);
  EXPECT_EQ(error(fs().lookup(kRoot, dir, "x")), ESTALE);
  EXPECT_EQ(error(fs().mkdir(kRoot, dir, "x", 0755)), ESTALE);
  EXPECT_NE(make_file("file"), file);  // a node's number is not used again
}

TEST_P(Links, AnOpenFileLivesOn) {
  const fs::NodeId file = make_file("file", "text");
  const fs::FileId one = open(file);
  const fs::FileId two = open(file);
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "file")), 0);
  EXPECT_EQ(attr(file).links, 0U);
  EXPECT_EQ(write(one, 4, " and more"), 0);
  EXPECT_EQ(read(two, 0, 100), "text and more");
  EXPECT_EQ(error(fs().fsync(one, false)), 0);
  EXPECT_EQ(error(fs().setattr(kRoot, file, {.size_bytes = 2}, one)), 0);
  EXPECT_EQ(error(fs().close(one)), 0);
  EXPECT_EQ(read(two, 0, 100), "te");
  const fs::NodeId other = make_file("file", "another");
  EXPECT_EQ(read(two, 0, 100), "te");
  EXPECT_EQ(error(fs().close(two)), 0);
  EXPECT_EQ(error(fs().getattr(file)), ESTALE);
  EXPECT_EQ(content(other), "another");
}

TEST_P(Links, SpaceComesBackAtTheLastClose) {
  const std::uint64_t before = run(fs().statfs())->nodes_used;
  const fs::NodeId file = make_file("file", pattern(1, 100'000));
  const fs::FileId held = open(file);
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "file")), 0);
  EXPECT_EQ(read(held, 0, 100'000), pattern(1, 100'000));
  EXPECT_EQ(error(fs().close(held)), 0);
  EXPECT_EQ(run(fs().statfs())->nodes_used, before);
}

TEST_P(Links, DirectoriesCountTheirSubdirectories) {
  const fs::NodeId dir = make_dir("dir");
  EXPECT_EQ(attr(dir).links, 2U);
  EXPECT_EQ(attr(kTop).links, 3U);
  make_dir("one", dir);
  make_dir("two", dir);
  make_file("file", "", dir);
  EXPECT_EQ(attr(dir).links, 4U);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "dir")), ENOTEMPTY);
  EXPECT_EQ(error(fs().rmdir(kRoot, dir, "one")), 0);
  EXPECT_EQ(attr(dir).links, 3U);
  EXPECT_EQ(error(fs().rmdir(kRoot, dir, "two")), 0);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "dir")), ENOTEMPTY);
  EXPECT_EQ(error(fs().unlink(kRoot, dir, "file")), 0);
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "dir")), 0);
  EXPECT_EQ(attr(kTop).links, 2U);
}

TEST_P(Links, NothingIsMadeInARemovedDirectory) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId file = make_file("file");
  const fs::FileId held = open(dir, {.read = true});
  EXPECT_EQ(error(fs().rmdir(kRoot, kTop, "dir")), 0);
  const auto gone = [](int error) { return error == ENOENT || error == ESTALE; };
  EXPECT_TRUE(gone(error(fs().mkdir(kRoot, dir, "x", 0755))));
  EXPECT_TRUE(gone(error(fs().create(kRoot, dir, "x", 0644, {.write = true}))));
  EXPECT_TRUE(gone(error(fs().link(kRoot, file, dir, "x"))));
  EXPECT_TRUE(gone(error(fs().rename(kRoot, kTop, "file", dir, "x", fs::RenameFlags::kReplace))));
  EXPECT_TRUE(gone(error(fs().lookup(kRoot, dir, "x"))));
  EXPECT_EQ(error(fs().close(held)), 0);
  EXPECT_EQ(attr(file).links, 1U);
}

TEST_P(Links, AThousandNamesOfOneFile) {
  const fs::NodeId file = make_file("0", "text");
  for (std::uint32_t i = 1; i < 1000; ++i) {
    ASSERT_EQ(run(fs().link(kRoot, file, kTop, std::to_string(i)))->links, i + 1);
  }
  for (std::uint32_t i = 0; i < 999; ++i) ASSERT_EQ(error(fs().unlink(kRoot, kTop, std::to_string(i))), 0);
  EXPECT_EQ(attr(file).links, 1U);
  EXPECT_EQ(content(node_at("999")), "text");
}

}  // namespace
}  // namespace ross::conformance
