// Space: fallocate in all its kinds, holes, seek, and what happens when there is no more.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Space);

using fs::Fallocate;
using fs::SeekKind;

TEST_P(Space, AllocateGrowsAndKeepsData) {
  const fs::NodeId node = make_file("file", "abc");
  const fs::FileId file = open(node);
  EXPECT_EQ(error(fs().fallocate(file, Fallocate::kAllocate, 1, 100'000)), 0);
  EXPECT_EQ(attr(node).size_bytes, 100'001U);
  std::string expected = "abc";
  expected.resize(100'001);
  EXPECT_TRUE(content(node) == expected);
  EXPECT_EQ(error(fs().fallocate(file, Fallocate::kAllocate, 0, 10)), 0);  // never shrinks
  EXPECT_EQ(attr(node).size_bytes, 100'001U);
}

TEST_P(Space, ReservedSpaceIsCounted) {
  ROSS_NEEDS(reserves);
  const fs::NodeId node = make_file("file");
  const fs::FileId file = open(node);
  const std::uint64_t free_before = run(fs().statfs())->free_bytes;
  EXPECT_EQ(error(fs().fallocate(file, Fallocate::kAllocateKeepSize, 0, kMiB)), 0);
  EXPECT_EQ(attr(node).size_bytes, 0U);
  EXPECT_GE(attr(node).allocated_bytes, kMiB);
  EXPECT_LE(run(fs().statfs())->free_bytes, free_before - kMiB);
  EXPECT_EQ(write(file, 0, pattern(1, kMiB)), 0);
  EXPECT_LT(attr(node).allocated_bytes, 2 * kMiB);  // what was reserved is what is used
  EXPECT_EQ(error(fs().fallocate(file, Fallocate::kPunchHole, 0, kMiB)), 0);
  EXPECT_EQ(attr(node).allocated_bytes, 0U);
}

TEST_P(Space, PunchAtEveryAlignment) {
  const std::string text = pattern(5, 24'576);
  for (const std::uint64_t begin : {0U, 1U, 4095U, 4096U, 4097U, 8191U, 8192U}) {
    for (const std::uint64_t size : {1U, 4095U, 4096U, 4097U, 8192U, 8193U, 12288U, 50000U}) {
      for (const Fallocate kind : {Fallocate::kPunchHole, Fallocate::kZeroRange}) {
        const fs::NodeId node = make_file("file", text);
        const fs::FileId file = open(node);
        ASSERT_EQ(error(fs().fallocate(file, kind, begin, size)), 0);
        std::string expected = text;
        for (std::uint64_t at = begin; at < begin + size && at < text.size(); ++at) expected[at] = '\0';
        if (kind == Fallocate::kZeroRange && begin + size > text.size()) expected.resize(begin + size);
        ASSERT_TRUE(read(file, 0, 100'000) == expected) << begin << " " << size;
        ASSERT_EQ(error(fs().close(file)), 0);
        ASSERT_EQ(error(fs().unlink(kRoot, kTop, "file")), 0);
      }
    }
  }
}

TEST_P(Space, PunchedBlocksAreFree) {
  const fs::NodeId node = make_file("file", pattern(1, 4 * kMiB));
  const fs::FileId file = open(node);
  EXPECT_EQ(error(fs().fallocate(file, Fallocate::kPunchHole, kMiB, 2 * kMiB)), 0);
  EXPECT_EQ(error(fs().fsync(file, false)), 0);
  EXPECT_LE(attr(node).allocated_bytes, 2 * kMiB + 64 * kKiB);
  EXPECT_EQ(attr(node).size_bytes, 4 * kMiB);
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 0})), 0);
  EXPECT_EQ(attr(node).allocated_bytes, 0U);
}

TEST_P(Space, FallocateErrors) {
  const fs::NodeId node = make_file("file", "abc");
  const fs::FileId file = open(node);
  for (const Fallocate kind :
       {Fallocate::kAllocate, Fallocate::kAllocateKeepSize, Fallocate::kPunchHole, Fallocate::kZeroRange}) {
    EXPECT_EQ(error(fs().fallocate(file, kind, 0, 0)), EINVAL);
    EXPECT_EQ(error(fs().fallocate(file, kind, fs::kFileBytesMax, 1)), EFBIG);
    EXPECT_EQ(error(fs().fallocate(file, kind, 1, UINT64_MAX)), EFBIG);
    EXPECT_EQ(error(fs().fallocate(file, kind, UINT64_MAX, 1)), EFBIG);
  }
  EXPECT_EQ(content(node), "abc");
}

TEST_P(Space, SeekFindsDataAndHoles) {
  ROSS_NEEDS(reports_holes);
  const fs::NodeId node = make_file("file");
  const fs::FileId file = open(node);
  ASSERT_EQ(write(file, 2 * kMiB, pattern(1, kMiB)), 0);
  ASSERT_EQ(write(file, 8 * kMiB, "x"), 0);
  const auto seek = [&](SeekKind kind, std::uint64_t at) {
    return run(fs().seek(file, kind, at)).value_or(UINT64_MAX);
  };
  EXPECT_EQ(seek(SeekKind::kData, 0), 2 * kMiB);
  EXPECT_EQ(seek(SeekKind::kHole, 0), 0U);
  EXPECT_EQ(seek(SeekKind::kData, 2 * kMiB + 5), 2 * kMiB + 5);
  EXPECT_EQ(seek(SeekKind::kHole, 2 * kMiB), 3 * kMiB);
  EXPECT_EQ(seek(SeekKind::kData, 3 * kMiB), 8 * kMiB);
  EXPECT_EQ(seek(SeekKind::kHole, 8 * kMiB), 8 * kMiB + 1);  // the end counts as a hole
  EXPECT_EQ(error(fs().seek(file, SeekKind::kData, 8 * kMiB + 1)), ENXIO);
  EXPECT_EQ(error(fs().seek(file, SeekKind::kHole, 8 * kMiB + 1)), ENXIO);
  EXPECT_EQ(error(fs().seek(file, SeekKind::kData, UINT64_MAX)), ENXIO);
  ASSERT_EQ(error(fs().fallocate(file, Fallocate::kPunchHole, 0, 9 * kMiB)), 0);
  EXPECT_EQ(error(fs().seek(file, SeekKind::kData, 0)), ENXIO);
  EXPECT_EQ(seek(SeekKind::kHole, 5), 5U);
}

// Whatever map a file system reports, it must be true: no byte that is not zero lies in a hole.
TEST_P(Space, NoDataHidesInAHole) {
  Random random(9);
  const fs::NodeId node = make_file("file");
  const fs::FileId file = open(node);
  std::string shadow(200'000, '\0');
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = shadow.size()})), 0);
  for (std::uint64_t i = 0; i < 40; ++i) {
    const std::uint64_t begin = random.below(shadow.size() - 3'000);
    const std::string text = pattern(i, 1 + random.below(3'000));
    ASSERT_EQ(write(file, begin, text), 0);
    shadow.replace(begin, text.size(), text);
    std::uint64_t at = 0;
    while (at < shadow.size()) {
      const auto data = run(fs().seek(file, SeekKind::kData, at));
      const std::uint64_t end = data.value_or(shadow.size());
      ASSERT_EQ(shadow.find_first_not_of('\0', at) < end, false) << "data between " << at << " and " << end;
      if (!data) break;
      at = run(fs().seek(file, SeekKind::kHole, *data)).value();
      ASSERT_GT(at, *data);
    }
  }
}

TEST_P(Space, SeekOnAnEmptyFile) {
  const fs::FileId file = open(make_file("file"));
  EXPECT_EQ(error(fs().seek(file, SeekKind::kData, 0)), ENXIO);
  EXPECT_EQ(error(fs().seek(file, SeekKind::kHole, 0)), ENXIO);
}

TEST_P(Space, WhenItIsFull) {
  ROSS_NEEDS(limits);
  remake({.clock = &clock, .limit_bytes = 8 * kMiB});
  const fs::NodeId node = make_file("file", "first");
  const fs::FileId file = open(node);
  const std::string text = pattern(1, kMiB);
  const auto full = [](int error) { return error == ENOSPC || error == EDQUOT; };
  std::uint64_t written = 0;
  int result = 0;
  for (int i = 0; i < 20 && result == 0; ++i) {
    result = write(file, 4096 + written, text);
    if (result == 0) written += kMiB;
  }
  ASSERT_TRUE(full(result)) << result;
  EXPECT_GE(written, 6 * kMiB);
  EXPECT_LE(written, 8 * kMiB);
  EXPECT_EQ(attr(node).size_bytes, 4096 + written);  // the write that failed left nothing
  EXPECT_EQ(read(file, 0, 5), "first");
  EXPECT_TRUE(read(file, 4096 + written - kMiB, 2 * kMiB) == text);
  EXPECT_TRUE(full(error(fs().fallocate(file, Fallocate::kAllocate, 0, 16 * kMiB))));
  // Room made is room.
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 5})), 0);
  EXPECT_EQ(error(fs().sync()), 0);
  EXPECT_EQ(write(file, 4096, text), 0);
  EXPECT_EQ(content(node).substr(4096), text);
}

}  // namespace
}  // namespace ross::conformance
