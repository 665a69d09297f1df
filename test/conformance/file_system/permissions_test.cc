// Permissions: the matrix of who may do what under which mode, on files and in directories.
#include "conformance/file_system/harness.h"
#include "effort.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Permissions);

// Alice owns, Bob is in the group (by a supplementary one), Carol is anybody.
struct Who {
  const fs::Credential* cred;
  unsigned shift;  // of her bits in the mode
};
const std::vector<Who> kWho{{&kAlice, 6}, {&kBob, 3}, {&kCarol, 0}};

TEST_P(Permissions, OpenUnderEveryMode) {
  const fs::NodeId file = make_file("file");
  ASSERT_EQ(error(fs().setattr(kRoot, file, {.uid = kAlice.uid, .gid = 2000})), 0);
  // An odd stride meets every value of each three bits, each with others beside it.
  constexpr std::uint32_t kStride = 0777 / repeats(0777) | 1;
  for (std::uint32_t mode = 0; mode <= 0777; mode += kStride) {
    ASSERT_EQ(error(fs().setattr(kRoot, file, {.mode = mode})), 0);
    for (const Who& who : kWho) {
      const std::uint32_t bits = mode >> who.shift & 7;
      for (const std::uint32_t wanted : {4U, 2U, 6U}) {
        const fs::OpenFlags flags{.read = (wanted & 4) != 0, .write = (wanted & 2) != 0};
        const auto opened = run(fs().open(*who.cred, file, flags));
        const int expected = (wanted & ~bits) == 0 ? 0 : EACCES;
        ASSERT_EQ(errno_of(opened), expected) << std::oct << mode << " uid " << std::dec << who.cred->uid;
        if (opened) {
          ASSERT_EQ(error(fs().close(opened->file)), 0);
        }
      }
      for (int mask = 0; mask < 8; ++mask) {
        const bool allowed = (static_cast<std::uint32_t>(mask) & ~bits) == 0;
        ASSERT_EQ(error(fs().access(*who.cred, file, mask)), allowed ? 0 : EACCES) << std::oct << mode;
      }
    }
  }
}

TEST_P(Permissions, RootOpensWhatNobodyMay) {
  const fs::NodeId file = make_file("file", "text", kTop, 0);
  EXPECT_EQ(content(file), "text");
  EXPECT_EQ(write(open(file), 0, "T"), 0);
}

TEST_P(Permissions, DirectoriesUnderEveryMode) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId inside = make_file("inside", "", dir);
  ASSERT_EQ(error(fs().setattr(kRoot, dir, {.uid = kAlice.uid, .gid = 2000})), 0);
  for (std::uint32_t bits = 0; bits < 8; ++bits) {
    const bool may_list = (bits & 4) != 0;
    const bool may_search = (bits & 1) != 0;
    const bool may_change = (bits & 3) == 3;
    for (const Who& who : kWho) {
      SCOPED_TRACE(testing::Message() << "bits " << bits << " uid " << who.cred->uid);
      const fs::Credential& cred = *who.cred;
      ASSERT_EQ(error(fs().setattr(kRoot, dir, {.mode = bits << who.shift})), 0);
      EXPECT_EQ(error(fs().readdir(cred, dir, {})), may_list ? 0 : EACCES);
      EXPECT_EQ(error(fs().lookup(cred, dir, "inside")), may_search ? 0 : EACCES);
      EXPECT_EQ(error(fs().lookup(cred, dir, "nothing")), may_search ? ENOENT : EACCES);
      const int change = may_change ? 0 : EACCES;
      EXPECT_EQ(error(fs().mkdir(cred, dir, "new", 0755)), change);
      EXPECT_EQ(error(fs().symlink(cred, dir, "symlink", "x")), change);
      EXPECT_EQ(error(fs().mknod(cred, dir, "fifo", S_IFIFO | 0600, 0)), change);
      EXPECT_EQ(error(fs().link(cred, inside, dir, "link")), change);
      const auto created = run(fs().create(cred, dir, "created", 0600, {.write = true}));
      EXPECT_EQ(errno_of(created), change);
      if (created) {
        EXPECT_EQ(error(fs().close(created->file)), 0);
      }
      const auto unnamed = run(fs().create_unnamed(cred, dir, 0600));
      EXPECT_EQ(errno_of(unnamed), change);
      if (unnamed) {
        EXPECT_EQ(error(fs().publish(cred, unnamed->file, dir, "created")), 0);
        EXPECT_EQ(error(fs().close(unnamed->file)), 0);
      }
      EXPECT_EQ(error(fs().rename(cred, dir, "inside", dir, "renamed", fs::RenameFlags::kReplace)), change);
      EXPECT_EQ(error(fs().rename(cred, dir, "inside", kTop, "out", fs::RenameFlags::kReplace)),
                may_change ? ENOENT : EACCES);
      if (may_change) {
        EXPECT_EQ(error(fs().rename(cred, dir, "renamed", dir, "inside", fs::RenameFlags::kNoReplace)), 0);
        EXPECT_EQ(error(fs().rmdir(cred, dir, "new")), 0);
        for (const std::string_view name : {"symlink", "fifo", "link", "created"}) {
          EXPECT_EQ(error(fs().unlink(cred, dir, name)), 0) << name;
        }
      }
      EXPECT_EQ(names(dir), std::vector<std::string>{"inside"});
      if (!may_change) {
        EXPECT_EQ(error(fs().unlink(cred, dir, "inside")), EACCES);
      }
    }
  }
}

TEST_P(Permissions, TheMakerUsesHisFileUnderAnyMode) {
  const auto made = run(fs().create(kAlice, kTop, "file", 0, {.read = true, .write = true})).value();
  EXPECT_EQ(write(made.file, 0, "text"), 0);
  EXPECT_EQ(read(made.file, 0, 10), "text");
  EXPECT_EQ(error(fs().close(made.file)), 0);
  EXPECT_EQ(error(fs().open(kAlice, made.attr.node, {.read = true})), EACCES);
  EXPECT_EQ(error(fs().create(kAlice, kTop, "file", 0, {.write = true})), EACCES);  // there already
}

TEST_P(Permissions, AnOpenFileIsTrusted) {
  const fs::NodeId file = make_file("file", "text");
  chown(file, kAlice, 0600);
  const fs::FileId held = open(file, {.read = true, .write = true}, kAlice);
  chown(file, kRoot, 0);
  EXPECT_EQ(read(held, 0, 4), "text");
  EXPECT_EQ(write(held, 0, "T"), 0);
}

TEST_P(Permissions, ExistingNamesTellBeforePermissionDoes) {
  const fs::NodeId dir = make_dir("dir", kTop, 0755);
  make_file("there", "", dir);
  EXPECT_EQ(error(fs().mkdir(kAlice, dir, "there", 0755)), EEXIST);
  EXPECT_EQ(error(fs().create(kAlice, dir, "there", 0644, {.write = true, .exclusive = true})), EEXIST);
  EXPECT_EQ(error(fs().unlink(kAlice, dir, "nothing")), ENOENT);
}

TEST_P(Permissions, MovingADirectoryWritesIt) {
  const fs::NodeId from = make_dir("from", kTop, 0777);
  const fs::NodeId dir = make_dir("dir", from, 0755);
  EXPECT_EQ(error(fs().rename(kAlice, from, "dir", from, "here", fs::RenameFlags::kReplace)), 0);
  EXPECT_EQ(error(fs().rename(kAlice, from, "here", kTop, "there", fs::RenameFlags::kReplace)), EACCES);
  chown(dir, kRoot, 0777);
  EXPECT_EQ(error(fs().rename(kAlice, from, "here", kTop, "there", fs::RenameFlags::kReplace)), 0);
}

}  // namespace
}  // namespace ross::conformance
