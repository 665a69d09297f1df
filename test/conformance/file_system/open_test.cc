// Opening, creating and closing: flags and errors.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Open);

TEST_P(Open, CreateOpensOrMakes) {
  const auto made = run(fs().create(kRoot, kTop, "file", 0600, {.write = true})).value();
  EXPECT_TRUE(made.created);
  EXPECT_EQ(write(made.file, 0, "text"), 0);
  const auto found = run(fs().create(kRoot, kTop, "file", 0777, {.read = true})).value();
  EXPECT_FALSE(found.created);
  EXPECT_EQ(found.attr.node, made.attr.node);
  EXPECT_EQ(found.attr.mode, S_IFREG | 0600U);
  EXPECT_EQ(found.attr.size_bytes, 4U);
  EXPECT_EQ(read(found.file, 0, 10), "text");
  EXPECT_EQ(error(fs().create(kRoot, kTop, "file", 0600, {.write = true, .exclusive = true})), EEXIST);
  EXPECT_EQ(error(fs().close(made.file)), 0);
  EXPECT_EQ(error(fs().close(found.file)), 0);
}

TEST_P(Open, CreateMeetsOtherKinds) {
  make_dir("dir");
  make_link("link", "nothing");
  ASSERT_EQ(error(fs().mknod(kRoot, kTop, "fifo", S_IFIFO | 0600, 0)), 0);
  EXPECT_EQ(error(fs().create(kRoot, kTop, "dir", 0600, {.write = true})), EISDIR);
  EXPECT_EQ(error(fs().create(kRoot, kTop, "link", 0600, {.write = true})), ELOOP);
  EXPECT_EQ(error(fs().create(kRoot, kTop, "fifo", 0600, {.write = true})), ENXIO);
  for (const std::string_view name : {"dir", "link", "fifo"}) {
    EXPECT_EQ(error(fs().create(kRoot, kTop, name, 0600, {.write = true, .exclusive = true})), EEXIST) << name;
  }
  EXPECT_FALSE(exists("nothing"));
}

TEST_P(Open, WhatCanBeOpened) {
  const fs::NodeId dir = make_dir("dir");
  EXPECT_EQ(error(fs().open(kRoot, dir, {.read = true, .write = true})), EISDIR);
  EXPECT_EQ(error(fs().open(kRoot, dir, {.write = true})), EISDIR);
  EXPECT_EQ(error(fs().open(kRoot, make_link("link", "x"), {.read = true})), ELOOP);
  EXPECT_EQ(error(fs().open(kRoot, run(fs().mknod(kRoot, kTop, "s", S_IFSOCK | 0600, 0))->node, {.read = true})),
            ENXIO);
  EXPECT_EQ(error(fs().open(kRoot, fs::NodeId(1ULL << 60), {.read = true})), ESTALE);
  const fs::FileId held = open(dir, {.read = true});
  char byte = 0;
  EXPECT_EQ(error(fs().read(held, 0, memory::Memory(&byte, 1))), EISDIR);
  EXPECT_EQ(error(fs().fsync(held, false)), 0);
  EXPECT_EQ(error(fs().close(held)), 0);
}

TEST_P(Open, FilesDoOnlyWhatTheyWereOpenedFor) {
  const fs::NodeId file = make_file("file", "text");
  const fs::FileId reader = open(file, {.read = true});
  const fs::FileId writer = open(file, {.write = true});
  EXPECT_EQ(write(reader, 0, "x"), EBADF);
  EXPECT_EQ(error(fs().fallocate(reader, fs::Fallocate::kAllocate, 0, 1)), EBADF);
  char byte = 0;
  EXPECT_EQ(error(fs().read(writer, 0, memory::Memory(&byte, 1))), EBADF);
  EXPECT_EQ(content(file), "text");
}

TEST_P(Open, ClosedFilesAreNoFiles) {
  const fs::FileId held = open(make_file("file"));
  EXPECT_EQ(error(fs().close(held)), 0);
  char byte = 0;
  for (const fs::FileId bad : {held, fs::FileId(0), fs::FileId(1ULL << 60)}) {
    EXPECT_EQ(error(fs().close(bad)), EBADF);
    EXPECT_EQ(error(fs().read(bad, 0, memory::Memory(&byte, 1))), EBADF);
    EXPECT_EQ(write(bad, 0, "x"), EBADF);
    EXPECT_EQ(error(fs().fsync(bad, true)), EBADF);
    EXPECT_EQ(error(fs().seek(bad, fs::SeekKind::kData, 0)), EBADF);
    EXPECT_EQ(error(fs().fallocate(bad, fs::Fallocate::kAllocate, 0, 1)), EBADF);
    EXPECT_EQ(error(fs().lock(bad, {.owner = 1, .kind = fs::LockKind::kShared}, false)), EBADF);
    EXPECT_EQ(error(fs().test_lock(bad, {.owner = 1, .kind = fs::LockKind::kShared})), EBADF);
    EXPECT_EQ(error(fs().unlock_owner(bad, 1)), EBADF);
  }
}

TEST_P(Open, TruncateEmpties) {
  const fs::NodeId file = make_file("file", pattern(1, 100'000));
  const fs::FileId before = open(file);
  const auto opened = run(fs().open(kRoot, file, {.write = true, .truncate = true})).value();
  EXPECT_EQ(opened.attr.size_bytes, 0U);
  EXPECT_EQ(read(before, 0, 10), "");
  EXPECT_EQ(error(fs().close(opened.file)), 0);
  EXPECT_EQ(write(before, 0, "x"), 0);
  const auto again = run(fs().create(kRoot, kTop, "file", 0600, {.write = true, .truncate = true})).value();
  EXPECT_EQ(again.attr.size_bytes, 0U);
  EXPECT_EQ(error(fs().close(again.file)), 0);
  EXPECT_EQ(attr(file).allocated_bytes, 0U);
}

TEST_P(Open, TruncateNeedsPermissionToWrite) {
  const fs::NodeId file = make_file("file", "text");
  EXPECT_EQ(error(fs().open(kAlice, file, {.read = true, .truncate = true})), EACCES);
  EXPECT_EQ(error(fs().create(kAlice, kTop, "file", 0600, {.read = true, .truncate = true})), EACCES);
  EXPECT_EQ(content(file), "text");
}

TEST_P(Open, ManyAtOnce) {
  const fs::NodeId file = make_file("file", "text");
  std::vector<fs::FileId> files;
  for (int i = 0; i < 1000; ++i) files.push_back(run(fs().open(kRoot, file, {.read = true}))->file);
  for (std::size_t i = 1; i < files.size(); ++i) ASSERT_NE(files[i - 1], files[i]);
  for (const fs::FileId held : files) {
    ASSERT_EQ(read(held, 0, 4), "text");
    ASSERT_EQ(error(fs().close(held)), 0);
  }
}

}  // namespace
}  // namespace ross::conformance
