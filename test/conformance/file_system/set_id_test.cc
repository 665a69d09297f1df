// Sticky directories, set-gid directories, and set-id bits that go when somebody else could profit.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(SetId);

TEST_P(SetId, StickyKeepsOthersAway) {
  const fs::NodeId dir = make_dir("dir");
  chown(dir, kCarol, 01777);
  const fs::NodeId file = make_file("file", "", dir);
  const fs::NodeId sub = make_dir("sub", dir);
  make_file("target", "", dir);
  chown(file, kAlice, 0777);
  chown(sub, kAlice, 0777);
  ASSERT_EQ(error(fs().mknod(kBob, dir, "bobs", S_IFREG | 0600, 0)), 0);
  const auto replace = fs::RenameFlags::kReplace;
  EXPECT_EQ(error(fs().unlink(kBob, dir, "file")), EPERM);
  EXPECT_EQ(error(fs().rmdir(kBob, dir, "sub")), EPERM);
  EXPECT_EQ(error(fs().rename(kBob, dir, "file", dir, "x", replace)), EPERM);
  EXPECT_EQ(error(fs().rename(kBob, dir, "bobs", dir, "file", replace)), EPERM);  // would take Alice's away
  EXPECT_EQ(error(fs().rename(kBob, dir, "bobs", dir, "file", fs::RenameFlags::kExchange)), EPERM);
  EXPECT_EQ(error(fs().rename(kBob, dir, "bobs", dir, "mine", replace)), 0);
  const auto unnamed = run(fs().create_unnamed(kBob, dir, 0600)).value();
  EXPECT_EQ(error(fs().publish(kBob, unnamed.file, dir, "file")), EPERM);
  EXPECT_EQ(error(fs().publish(kBob, unnamed.file, dir, "mine")), 0);
  EXPECT_EQ(error(fs().close(unnamed.file)), 0);
  EXPECT_EQ(node_at("file", dir), file);
  EXPECT_EQ(error(fs().rename(kAlice, dir, "file", dir, "renamed", replace)), 0);
  EXPECT_EQ(error(fs().unlink(kAlice, dir, "renamed")), 0);  // the owner of the file
  EXPECT_EQ(error(fs().rmdir(kCarol, dir, "sub")), 0);       // the owner of the directory
  EXPECT_EQ(error(fs().unlink(kRoot, dir, "mine")), 0);
}

TEST_P(SetId, SetGidDirectoriesHandDownTheirGroup) {
  const fs::NodeId dir = make_dir("dir");
  ASSERT_EQ(error(fs().setattr(kRoot, dir, {.gid = 2001})), 0);
  ASSERT_EQ(error(fs().setattr(kRoot, dir, {.mode = 02777})), 0);
  const auto file = run(fs().mknod(kAlice, dir, "file", S_IFREG | 0644, 0)).value();
  EXPECT_EQ(file.gid, 2001U);
  EXPECT_EQ(file.uid, kAlice.uid);
  EXPECT_EQ(file.mode, S_IFREG | 0644U);
  const auto sub = run(fs().mkdir(kAlice, dir, "sub", 0755)).value();
  EXPECT_EQ(sub.gid, 2001U);
  EXPECT_EQ(sub.mode, S_IFDIR | 02755U);
  const auto below = run(fs().mkdir(kAlice, sub.node, "below", 0755)).value();
  EXPECT_EQ(below.mode, S_IFDIR | 02755U);
  EXPECT_EQ(run(fs().symlink(kAlice, dir, "link", "x"))->gid, 2001U);
  const auto unnamed = run(fs().create_unnamed(kAlice, dir, 0644)).value();
  EXPECT_EQ(unnamed.attr.gid, 2001U);
  EXPECT_EQ(error(fs().close(unnamed.file)), 0);
  // Alice is not in group 2001 and cannot make a program that runs with its rights.
  EXPECT_EQ(run(fs().mknod(kAlice, dir, "program", S_IFREG | 02755, 0))->mode, S_IFREG | 0755U);
  EXPECT_EQ(run(fs().mknod(kBob, dir, "bobs", S_IFREG | 02755, 0))->mode, S_IFREG | 02755U);
}

TEST_P(SetId, GoWhenSomebodyWrites) {
  const fs::NodeId file = make_file("file", "text");
  chown(file, kAlice, 06777);
  const fs::FileId held = open(file, {.read = true, .write = true}, kBob);
  EXPECT_EQ(permissions(file), 06777U);
  EXPECT_EQ(write(held, 0, "x"), 0);
  EXPECT_EQ(permissions(file), 0777U);

  chown(file, kAlice, 06777);
  EXPECT_EQ(error(fs().setattr(kBob, file, {.size_bytes = 1})), 0);
  EXPECT_EQ(permissions(file), 0777U);

  chown(file, kAlice, 06777);
  open(file, {.write = true, .truncate = true}, kBob);
  EXPECT_EQ(permissions(file), 0777U);

  chown(file, kAlice, 06777);
  EXPECT_EQ(error(fs().fallocate(held, fs::Fallocate::kZeroRange, 0, 10)), 0);
  EXPECT_EQ(permissions(file), 0777U);

  chown(file, kAlice, 06767);  // without group execute set-gid is no privilege
  EXPECT_EQ(write(held, 0, "x"), 0);
  EXPECT_EQ(permissions(file), 02767U);

  chown(file, kAlice, 06777);
  EXPECT_EQ(write(open(file), 0, "x"), 0);  // uid 0 keeps them
  EXPECT_EQ(permissions(file), 06777U);
}

TEST_P(SetId, GoWhenTheOwnerChangesTheGroup) {
  const fs::NodeId file = make_file("file");
  chown(file, kAlice, 06777);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.gid = 2000})), 0);
  EXPECT_EQ(permissions(file), 0777U);
  const fs::NodeId dir = make_dir("dir");
  chown(dir, kAlice, 02777);
  EXPECT_EQ(error(fs().setattr(kAlice, dir, {.gid = 2000})), 0);
  EXPECT_EQ(permissions(dir), 02777U);  // on a directory it is no privilege
}

TEST_P(SetId, ModeOfAForeignGroup) {
  const fs::NodeId file = make_file("file");
  ASSERT_EQ(error(fs().setattr(kRoot, file, {.uid = kAlice.uid, .gid = 2001})), 0);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.mode = 06755})), 0);
  EXPECT_EQ(permissions(file), 04755U);  // set-gid is for members of the group
  EXPECT_EQ(error(fs().setattr(kRoot, file, {.mode = 06755})), 0);
  EXPECT_EQ(permissions(file), 06755U);
}

}  // namespace
}  // namespace ross::conformance
