// Reading and writing: ends of files, sizes, scattered memory, append, truncation.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(ReadWrite);

TEST_P(ReadWrite, WhatWasWrittenIsRead) {
  for (const std::size_t size : {0U, 1U, 511U, 4095U, 4096U, 4097U, 65536U, 131073U, 1048576U, 5000000U}) {
    const std::string text = pattern(size, size);
    const fs::NodeId file = make_file("file" + std::to_string(size), text);
    EXPECT_EQ(attr(file).size_bytes, size);
    EXPECT_TRUE(content(file) == text) << size;
  }
}

TEST_P(ReadWrite, ReadsEndAtTheEnd) {
  const fs::FileId file = open(make_file("file", pattern(1, 10'000)));
  EXPECT_EQ(read(file, 9'999, 100), pattern(1, 10'000).substr(9'999));
  EXPECT_EQ(read(file, 0, 20'000), pattern(1, 10'000));
  EXPECT_EQ(read(file, 10'000, 100), "");
  EXPECT_EQ(read(file, 1ULL << 50, 100), "");
  EXPECT_EQ(read(file, UINT64_MAX, 100), "");
  EXPECT_EQ(read(file, 5, 0), "");
}

TEST_P(ReadWrite, ReadsLeaveTheRestOfTheMemoryAlone) {
  const fs::FileId file = open(make_file("file", "abc"));
  std::string text(8, '?');
  EXPECT_EQ(run(fs().read(file, 1, memory::Memory(text.data(), text.size()))).value(), 2U);
  EXPECT_EQ(text.substr(0, 2), "bc");
}

TEST_P(ReadWrite, MemoryInPieces) {
  const fs::FileId file = open(make_file("file"));
  std::string text = pattern(2, 100'000);
  const auto pieces = [](std::string& from) {
    std::vector<memory::Span> spans;
    std::size_t at = 0;
    for (std::size_t step = 1; at < from.size(); step = step * 3 + 1) {
      const std::size_t size = std::min(step, from.size() - at);
      spans.push_back({reinterpret_cast<std::byte*>(from.data()) + at, size});
      spans.push_back({nullptr, 0});
      at += size;
    }
    return spans;
  };
  const auto from = pieces(text);
  ASSERT_EQ(run(fs().write(file, 1234, memory::Memory(from))).value(), text.size());
  std::string back(text.size(), '?');
  const auto into = pieces(back);
  ASSERT_EQ(run(fs().read(file, 1234, memory::Memory(into))).value(), text.size());
  EXPECT_TRUE(back == text);
  EXPECT_EQ(read(file, 0, 1234), std::string(1234, '\0'));
}

TEST_P(ReadWrite, OverwritesAtEveryAlignment) {
  const std::string base = pattern(3, 20'000);
  const fs::NodeId node = make_file("file", base);
  const fs::FileId file = open(node);
  std::string expected = base;
  std::uint64_t seed = 10;
  for (const std::size_t begin : {0U, 1U, 4095U, 4096U, 4097U, 8191U, 8192U, 12345U}) {
    for (const std::size_t size : {1U, 2U, 4095U, 4096U, 4097U}) {
      const std::string text = pattern(++seed, size);
      ASSERT_EQ(write(file, begin, text), 0);
      expected.replace(begin, size, text);
      ASSERT_TRUE(read(file, 0, 30'000) == expected) << begin << " " << size;
    }
  }
}

TEST_P(ReadWrite, AWriteBehindTheEndLeavesAHole) {
  const fs::NodeId node = make_file("file", "abc");
  const fs::FileId file = open(node);
  ASSERT_EQ(write(file, 10'000, "xyz"), 0);
  EXPECT_EQ(attr(node).size_bytes, 10'003U);
  std::string expected = "abc";
  expected.resize(10'000);
  EXPECT_TRUE(content(node) == expected + "xyz");
}

TEST_P(ReadWrite, AnEmptyWriteChangesNothing) {
  const fs::NodeId node = make_file("file", "abc");
  EXPECT_EQ(write(open(node), 10'000, ""), 0);
  EXPECT_EQ(attr(node).size_bytes, 3U);
}

TEST_P(ReadWrite, AppendGoesToTheEnd) {
  const fs::NodeId node = make_file("file", "abc");
  const fs::FileId appender = open(node, {.read = true, .write = true, .append = true});
  const fs::FileId writer = open(node);
  EXPECT_EQ(write(appender, 0, "def"), 0);
  EXPECT_EQ(write(writer, 6, "ghi"), 0);
  EXPECT_EQ(write(appender, 1, "jkl"), 0);
  EXPECT_EQ(content(node), "abcdefghijkl");
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 1})), 0);
  EXPECT_EQ(write(appender, 100, "m"), 0);
  EXPECT_EQ(content(node), "am");
}

TEST_P(ReadWrite, TruncatedBytesDoNotComeBack) {
  const std::string text = pattern(4, 20'000);
  const fs::NodeId node = make_file("file", text);
  for (const std::uint64_t size : {19'999U, 16'384U, 16'383U, 8'193U, 4'096U, 4'095U, 1U, 0U}) {
    ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = size})), 0);
    ASSERT_EQ(attr(node).size_bytes, size);
    ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 20'000})), 0);
    std::string expected = text.substr(0, size);
    expected.resize(20'000);
    ASSERT_TRUE(content(node) == expected) << size;
  }
  EXPECT_EQ(attr(node).allocated_bytes, 0U);
}

TEST_P(ReadWrite, TruncatedBytesDoNotComeBackByWriting) {
  const fs::NodeId node = make_file("file", pattern(4, 20'000));
  const fs::FileId file = open(node);
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 100})), 0);
  ASSERT_EQ(write(file, 200, "x"), 0);
  ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = 9'000})), 0);
  std::string expected = pattern(4, 20'000).substr(0, 100);
  expected.resize(200);
  expected += "x";
  expected.resize(9'000);
  EXPECT_TRUE(content(node) == expected);
}

TEST_P(ReadWrite, SyncedOrNotTheBytesAreThere) {
  const fs::NodeId node = make_file("file");
  const fs::FileId file = open(node);
  std::string expected;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const std::string text = pattern(i, 1 + i * 331);
    ASSERT_EQ(write(file, expected.size(), text), 0);
    expected += text;
    if (i % 3 == 0) {
      ASSERT_EQ(error(fs().fsync(file, i % 2 == 0)), 0);
    }
    if (i % 7 == 0) {
      ASSERT_EQ(error(fs().sync()), 0);
    }
    ASSERT_TRUE(read(file, 0, expected.size() + 1) == expected);
  }
}

}  // namespace
}  // namespace ross::conformance
