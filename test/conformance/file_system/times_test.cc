// Times: which call moves which, relatime, and what setattr may set.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

class Times : public FileSystemTest {
 protected:
  void SetUp() override {
    ROSS_NEEDS(takes_clock);
    FileSystemTest::SetUp();
  }
  // The times a call moved, as letters, and that they moved to now: "mc" for modification and change.
  template <class Call>
  std::string moved(fs::NodeId node, Call&& call) {
    const fs::Attr before = attr(node);
    tick();
    const std::int64_t begin = clock.realtime_ns();
    call();
    const std::int64_t end = clock.realtime_ns();
    const fs::Attr after = attr(node);
    std::string letters;
    const auto look = [&](std::int64_t was, std::int64_t is, char letter) {
      if (was == is) return;
      letters += letter;
      EXPECT_GE(is, begin) << letter;
      EXPECT_LE(is, end) << letter;
    };
    look(before.atime_ns, after.atime_ns, 'a');
    look(before.mtime_ns, after.mtime_ns, 'm');
    look(before.ctime_ns, after.ctime_ns, 'c');
    look(before.btime_ns, after.btime_ns, 'b');
    return letters;
  }
};
ROSS_ON_EVERY_BACKEND(Times);

TEST_P(Times, BornNow) {
  const std::int64_t begin = clock.realtime_ns();
  const fs::Attr dir = attr(make_dir("dir"));
  const fs::Attr link = attr(make_link("link", "x"));
  const std::int64_t end = clock.realtime_ns();
  for (const fs::Attr& made : {dir, link}) {
    for (const std::int64_t time : {made.atime_ns, made.mtime_ns, made.ctime_ns, made.btime_ns}) {
      EXPECT_GE(time, begin);
      EXPECT_LE(time, end);
    }
  }
}

TEST_P(Times, OfAFile) {
  const fs::NodeId file = make_file("file", "text");
  const fs::FileId held = open(file);
  EXPECT_EQ(moved(file, [&] { write(held, 0, "x"); }), "mc");
  EXPECT_EQ(moved(file, [&] { write(held, 0, ""); }), "");
  EXPECT_EQ(moved(file, [&] { error(fs().setattr(kRoot, file, {.size_bytes = 1})); }), "mc");
  EXPECT_EQ(moved(file, [&] { error(fs().setattr(kRoot, file, {.size_bytes = 9}, held)); }), "mc");
  EXPECT_EQ(moved(file, [&] { error(fs().setattr(kRoot, file, {.mode = 0600})); }), "c");
  EXPECT_EQ(moved(file, [&] { error(fs().setattr(kRoot, file, {.uid = 1})); }), "c");
  EXPECT_EQ(moved(file, [&] { error(fs().setxattr(kRoot, file, "user.x", "1", fs::XattrFlags::kSet)); }), "c");
  EXPECT_EQ(moved(file, [&] { error(fs().removexattr(kRoot, file, "user.x")); }), "c");
  EXPECT_EQ(moved(file, [&] { error(fs().link(kRoot, file, kTop, "two")); }), "c");
  EXPECT_EQ(moved(file, [&] { error(fs().unlink(kRoot, kTop, "two")); }), "c");
  EXPECT_EQ(moved(file, [&] { error(fs().rename(kRoot, kTop, "file", kTop, "f", fs::RenameFlags::kReplace)); }), "c");
  EXPECT_EQ(moved(file, [&] { error(fs().fallocate(held, fs::Fallocate::kPunchHole, 0, 4)); }), "mc");
  EXPECT_EQ(moved(file, [&] { error(fs().fsync(held, false)); }), "");
  EXPECT_EQ(moved(file, [&] { error(fs().getattr(file)); }), "");
  EXPECT_EQ(moved(file, [&] { open(file, {.write = true, .truncate = true}); }), "mc");
}

TEST_P(Times, OfADirectory) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId other = make_dir("other");
  EXPECT_EQ(moved(dir, [&] { make_file("a", "", dir); }), "mc");
  EXPECT_EQ(moved(dir, [&] { make_dir("d", dir); }), "mc");
  EXPECT_EQ(moved(dir, [&] { make_link("l", "x", dir); }), "mc");
  EXPECT_EQ(moved(dir, [&] { error(fs().unlink(kRoot, dir, "l")); }), "mc");
  EXPECT_EQ(moved(dir, [&] { error(fs().rmdir(kRoot, dir, "d")); }), "mc");
  EXPECT_EQ(moved(dir, [&] { error(fs().rename(kRoot, dir, "a", dir, "b", fs::RenameFlags::kReplace)); }), "mc");
  EXPECT_EQ(moved(other, [&] { error(fs().rename(kRoot, dir, "b", other, "b", fs::RenameFlags::kReplace)); }), "mc");
  EXPECT_EQ(moved(dir, [&] { error(fs().rename(kRoot, other, "b", dir, "b", fs::RenameFlags::kReplace)); }), "mc");
  EXPECT_EQ(moved(dir, [&] { open(node_at("b", dir)); }), "");
  EXPECT_EQ(moved(dir, [&] { error(fs().lookup(kRoot, dir, "b")); }), "");
  EXPECT_EQ(moved(dir, [&] { error(fs().unlink(kRoot, dir, "nothing")); }), "");
}

TEST_P(Times, TheReplacedFileHasChanged) {
  make_file("a");
  const fs::NodeId b = make_file("b");
  open(b);
  EXPECT_EQ(moved(b, [&] { error(fs().rename(kRoot, kTop, "a", kTop, "b", fs::RenameFlags::kReplace)); }), "c");
}

TEST_P(Times, AccessIsRelative) {
  const fs::NodeId file = make_file("file", "text");
  const fs::FileId held = open(file);
  EXPECT_EQ(moved(file, [&] { read(held, 0, 1); }), "a");  // not read since it was written
  EXPECT_EQ(moved(file, [&] { read(held, 0, 1); }), "");
  EXPECT_EQ(moved(file, [&] { write(held, 0, "T"); }), "mc");
  EXPECT_EQ(moved(file, [&] { read(held, 0, 1); }), "a");
  EXPECT_EQ(moved(file, [&] { read(held, 0, 1); }), "");
  clock.shift(25LL * 3600 * 1'000'000'000);
  EXPECT_EQ(moved(file, [&] { read(held, 0, 1); }), "a");  // once a day anyway
  EXPECT_EQ(moved(file, [&] { read(held, 0, 1); }), "");
  EXPECT_EQ(moved(file, [&] { read(held, 0, 0); }), "");
}

TEST_P(Times, AnyTimeCanBeSet) {
  const fs::NodeId file = make_file("file");
  for (const std::int64_t time : {std::int64_t{0}, std::int64_t{1}, std::int64_t{-1}, std::int64_t{1'999'999'999},
                                  std::int64_t{-2'208'988'800'000'000'001}, std::int64_t{7'258'118'400'123'456'789}}) {
    ASSERT_EQ(error(fs().setattr(kRoot, file, {.atime_ns = time, .mtime_ns = time})), 0);
    EXPECT_EQ(attr(file).atime_ns, time);
    EXPECT_EQ(attr(file).mtime_ns, time);
  }
  const std::int64_t kept = attr(file).atime_ns;
  EXPECT_EQ(error(fs().setattr(kRoot, file, {.mtime_ns = 77})), 0);
  EXPECT_EQ(attr(file).atime_ns, kept);
  EXPECT_EQ(moved(file, [&] { error(fs().setattr(kRoot, file, {.atime_now = true})); }), "ac");
  EXPECT_EQ(moved(file, [&] { error(fs().setattr(kRoot, file, {.mtime_now = true})); }), "mc");
}

TEST_P(Times, WhoMaySetThem) {
  const fs::NodeId file = make_file("file");
  chown(file, kAlice, 0602);
  EXPECT_EQ(error(fs().setattr(kAlice, file, {.mtime_ns = 1})), 0);
  EXPECT_EQ(error(fs().setattr(kBob, file, {.mtime_ns = 1})), EPERM);
  EXPECT_EQ(error(fs().setattr(kBob, file, {.atime_ns = 1, .mtime_now = true})), EPERM);
  EXPECT_EQ(error(fs().setattr(kBob, file, {.atime_now = true, .mtime_now = true})), 0);  // he may write
  chown(file, kAlice, 0604);
  EXPECT_EQ(error(fs().setattr(kBob, file, {.mtime_now = true})), EACCES);
}

}  // namespace
}  // namespace ross::conformance
