// setattr and access: what each field does, and that an error changes nothing.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Attributes);

TEST_P(Attributes, ANewNodeHasItsMakersIds) {
  const auto file = run(fs().create(kAlice, kTop, "file", 06751, {.write = true})).value();
  EXPECT_EQ(file.attr.mode, S_IFREG | 06751U);
  EXPECT_EQ(file.attr.uid, kAlice.uid);
  EXPECT_EQ(file.attr.gid, kAlice.gid);
  EXPECT_EQ(file.attr.size_bytes, 0U);
  EXPECT_EQ(file.attr.allocated_bytes, 0U);
  EXPECT_EQ(error(fs().close(file.file)), 0);
  const auto dir = run(fs().mkdir(kBob, kTop, "dir", 01750)).value();
  EXPECT_EQ(dir.mode, S_IFDIR | 01750U);
  EXPECT_EQ(dir.uid, kBob.uid);
  EXPECT_EQ(dir.links, 2U);
}

TEST_P(Attributes, ModeKeepsTheType) {
  const fs::NodeId file = make_file("file");
  EXPECT_EQ(run(fs().setattr(kRoot, file, {.mode = 07777}))->mode, S_IFREG | 07777U);
  EXPECT_EQ(run(fs().setattr(kRoot, file, {.mode = S_IFDIR | 0600}))->mode, S_IFREG | 0600U);
  EXPECT_EQ(attr(file).mode, S_IFREG | 0600U);
  EXPECT_EQ(error(fs().setattr(kRoot, make_link("link", "x"), {.mode = 0600})), EOPNOTSUPP);
}

TEST_P(Attributes, OnlyTheOwnerChangesMode) {
  const fs::NodeId file = make_file("file");
  chown(file, kAlice, 0666);
  EXPECT_EQ(error(fs().setattr(kBob, file, {.mode = 0600})), EPERM);
  EXPECT_EQ(permissions(file), 0666U);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.mode = 0})), 0);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.mode = 0600})), 0);  // ownership suffices
}

TEST_P(Attributes, OwnersChange) {
  const fs::NodeId file = make_file("file");
  EXPECT_EQ(run(fs().setattr(kRoot, file, {.uid = 1, .gid = 2}))->uid, 1U);
  EXPECT_EQ(attr(file).gid, 2U);
  chown(file, kAlice, 0644);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.uid = kBob.uid})), EPERM);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.uid = kAlice.uid})), 0);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.gid = 2000})), 0);  // a group of hers
  EXPECT_EQ(attr(file).gid, 2000U);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.gid = 2001})), EPERM);  // not hers
  EXPECT_EQ(error(fs().setattr(kBob, file, {.gid = 2001})), EPERM);    // not his file
  EXPECT_EQ(attr(file).gid, 2000U);
  const fs::NodeId link = make_link("link", "x");
  EXPECT_EQ(run(fs().setattr(kRoot, link, {.uid = 5, .gid = 6}))->gid, 6U);
}

TEST_P(Attributes, AnErrorChangesNothing) {
  const fs::NodeId file = make_file("file", "text");
  chown(file, kAlice, 0644);
  const fs::Attr before = attr(file);
  fs::SetAttr change{.mode = 0600, .uid = kBob.uid, .size_bytes = 1, .mtime_ns = 5};
  EXPECT_EQ(error(fs().setattr(kAlice, file, change)), EPERM);
  change = {.mode = 0600, .size_bytes = fs::kFileBytesMax + 1};
  EXPECT_EQ(error(fs().setattr(kAlice, file, change)), EFBIG);
  const fs::Attr after = attr(file);
  EXPECT_EQ(after.mode, before.mode);
  EXPECT_EQ(after.uid, before.uid);
  EXPECT_EQ(after.size_bytes, before.size_bytes);
  EXPECT_EQ(after.mtime_ns, before.mtime_ns);
  EXPECT_EQ(after.ctime_ns, before.ctime_ns);
}

TEST_P(Attributes, SeveralFieldsAtOnce) {
  const fs::NodeId file = make_file("file", "text");
  const fs::SetAttr change{
      .mode = 04711, .uid = 7, .gid = 8, .size_bytes = 2, .atime_ns = 123'456'789, .mtime_ns = -987'654'321};
  const fs::Attr after = run(fs().setattr(kRoot, file, change)).value();
  EXPECT_EQ(after.mode, S_IFREG | 04711U);
  EXPECT_EQ(after.uid, 7U);
  EXPECT_EQ(after.gid, 8U);
  EXPECT_EQ(after.size_bytes, 2U);
  EXPECT_EQ(after.atime_ns, 123'456'789);
  EXPECT_EQ(after.mtime_ns, -987'654'321);
  EXPECT_EQ(content(file), "te");
}

TEST_P(Attributes, SizeNeedsARegularFileAndPermission) {
  const fs::NodeId file = make_file("file", "text");
  const fs::SetAttr shorter{.size_bytes = 1};
  EXPECT_EQ(error(fs().setattr(kRoot, make_dir("dir"), shorter)), EISDIR);
  EXPECT_EQ(error(fs().setattr(kRoot, make_link("link", "x"), shorter)), EINVAL);
  EXPECT_EQ(error(fs().setattr(kAlice, file, shorter)), EACCES);
  EXPECT_EQ(attr(file).size_bytes, 4U);
}

TEST_P(Attributes, AnOpenFileStandsForPermissionToTruncate) {
  const fs::NodeId file = make_file("file", "text");
  chown(file, kAlice, 0600);
  const fs::FileId writer = open(file, {.write = true}, kAlice);
  const fs::FileId reader = open(file, {.read = true}, kAlice);
  chown(file, kRoot, 0600);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.size_bytes = 3})), EACCES);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.size_bytes = 3}, writer)), 0);
  const int by_reader = error(fs().setattr(kAlice, file, {.size_bytes = 2}, reader));
  EXPECT_TRUE(by_reader == EINVAL || by_reader == EBADF || by_reader == EACCES) << by_reader;
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.size_bytes = 2}, fs::FileId(1ULL << 60))), EBADF);
  EXPECT_EQ(attr(file).size_bytes, 3U);
}

TEST_P(Attributes, AccessTellsWhatMayBeDone) {
  const fs::NodeId file = make_file("file");
  chown(file, kAlice, 0640);
  EXPECT_EQ(error(fs().access(kAlice, file, R_OK | W_OK)), 0);
  EXPECT_EQ(error(fs().access(kAlice, file, X_OK)), EACCES);
  EXPECT_EQ(error(fs().access(kAlice, file, F_OK)), 0);
  EXPECT_EQ(error(fs().access(kBob, file, R_OK)), EACCES);
  EXPECT_EQ(error(fs().access(kBob, file, F_OK)), 0);
  EXPECT_EQ(error(fs().access(kRoot, file, R_OK | W_OK)), 0);
  EXPECT_EQ(error(fs().access(kRoot, file, X_OK)), EACCES);  // nobody may execute it
  chown(file, kAlice, 0001);
  EXPECT_EQ(error(fs().access(kRoot, file, X_OK)), 0);
  EXPECT_EQ(error(fs().access(kRoot, make_dir("dir", kTop, 0), R_OK | W_OK | X_OK)), 0);
  EXPECT_EQ(error(fs().access(kRoot, fs::NodeId(1ULL << 60), F_OK)), ESTALE);
}

TEST_P(Attributes, StatfsCountsNodesAndSpace) {
  const fs::StatFs before = run(fs().statfs()).value();
  EXPECT_GT(before.total_bytes, 0U);
  EXPECT_LE(before.free_bytes, before.total_bytes);
  EXPECT_EQ(before.name_bytes_max, 255U);
  EXPECT_GT(before.block_bytes, 0U);
  const fs::NodeId file = make_file("file");
  make_dir("dir");
  make_link("link", "x");
  EXPECT_EQ(run(fs().statfs())->nodes_used, before.nodes_used + 3);
  const fs::FileId held = open(file);
  const std::string text = pattern(1, kMiB);
  for (std::uint64_t i = 0; i < 8; ++i) ASSERT_EQ(write(held, i * kMiB, text), 0);
  ASSERT_EQ(error(fs().sync()), 0);
  const fs::StatFs after = run(fs().statfs()).value();
  EXPECT_LE(after.free_bytes + 8 * kMiB, before.free_bytes);
  EXPECT_EQ(after.total_bytes, before.total_bytes);
  EXPECT_GE(attr(file).allocated_bytes, 8 * kMiB);
}

}  // namespace
}  // namespace ross::conformance
