// Far offsets: sparse files up to 16 TiB, and the bounds behind that.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Offsets);

TEST_P(Offsets, TheLastByteOfTheLongestFile) {
  const fs::NodeId node = make_file("file");
  const fs::FileId file = open(node);
  ASSERT_EQ(write(file, fs::kFileBytesMax - 3, "end"), 0);
  EXPECT_EQ(attr(node).size_bytes, fs::kFileBytesMax);
  EXPECT_EQ(read(file, fs::kFileBytesMax - 5, 100), std::string("\0\0end", 5));
  EXPECT_EQ(read(file, fs::kFileBytesMax, 1), "");
  EXPECT_EQ(read(file, fs::kFileBytesMax / 2, 4096), std::string(4096, '\0'));
  EXPECT_LE(attr(node).allocated_bytes, 1 * kMiB);
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "file")), 0);
}

TEST_P(Offsets, NothingLiesBehindIt) {
  const fs::NodeId node = make_file("file", "abc");
  const fs::FileId file = open(node);
  EXPECT_EQ(write(file, fs::kFileBytesMax, "x"), EFBIG);
  EXPECT_EQ(write(file, fs::kFileBytesMax - 1, "xy"), EFBIG);
  EXPECT_EQ(write(file, UINT64_MAX, "x"), EFBIG);
  EXPECT_EQ(write(file, UINT64_MAX - 1, "xyz"), EFBIG);
  EXPECT_EQ(write(file, 1ULL << 63, "x"), EFBIG);
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = fs::kFileBytesMax + 1})), EFBIG);
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = UINT64_MAX})), EFBIG);
  EXPECT_EQ(content(node), "abc");
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = fs::kFileBytesMax})), 0);
  EXPECT_EQ(attr(node).size_bytes, fs::kFileBytesMax);
  const fs::FileId appender = open(node, {.write = true, .append = true});
  EXPECT_EQ(write(appender, 0, "x"), EFBIG);
}

TEST_P(Offsets, AroundThePowersOfTwo) {
  const fs::NodeId node = make_file("file");
  const fs::FileId file = open(node);
  for (int power = 12; power <= 43; ++power) {
    const std::uint64_t at = (1ULL << power) - 3;
    ASSERT_EQ(write(file, at, "across" + std::to_string(power)), 0) << power;
  }
  for (int power = 12; power <= 43; ++power) {
    const std::uint64_t at = (1ULL << power) - 3;
    const std::string expected = "across" + std::to_string(power);
    EXPECT_EQ(read(file, at - 2, expected.size() + 4),
              std::string(2, '\0') + expected + std::string(power == 43 ? 0 : 2, '\0'))
        << power;
  }
  EXPECT_LE(attr(node).allocated_bytes, 64 * 128 * kKiB);
}

TEST_P(Offsets, TruncateAcrossTerabytes) {
  const fs::NodeId node = make_file("file", "abc");
  const fs::FileId file = open(node);
  ASSERT_EQ(write(file, 5 * kTiB, "far"), 0);
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 5 * kTiB + 1})), 0);
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 10 * kTiB})), 0);
  EXPECT_EQ(read(file, 5 * kTiB, 3), std::string("f\0\0", 3));
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 3})), 0);
  EXPECT_EQ(content(node), "abc");
}

TEST_P(Offsets, PunchAcrossTerabytes) {
  const fs::NodeId node = make_file("file", "abc");
  const fs::FileId file = open(node);
  ASSERT_EQ(write(file, 5 * kTiB, "far"), 0);
  ASSERT_EQ(error(fs().fallocate(file, fs::Fallocate::kPunchHole, 1, fs::kFileBytesMax - 1)), 0);
  EXPECT_EQ(attr(node).size_bytes, 5 * kTiB + 3);
  EXPECT_EQ(read(file, 0, 4), std::string("a\0\0\0", 4));
  EXPECT_EQ(read(file, 5 * kTiB, 3), std::string(3, '\0'));
}

}  // namespace
}  // namespace ross::conformance
