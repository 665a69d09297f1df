// Directories of many entries: every one found, listed once, and taken away again.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Scale);

class ScaleOf {
 public:
  ScaleOf(Driver& driver, std::size_t entries) : driver_(driver), entries_(entries) {}

  void make() {
    for (std::size_t i = 0; i < entries_; ++i) {
      ASSERT_EQ(driver_.error(driver_.fs().mknod(kRoot, kTop, name(i), S_IFREG | 0644, 0)), 0) << i;
    }
  }
  void list() {
    std::vector<bool> seen(entries_);
    std::size_t count = 0;
    fs::ReaddirOptions options;
    while (true) {
      const auto some = driver_.run(driver_.fs().readdir(kRoot, kTop, options));
      ASSERT_EQ(errno_of(some), 0);
      if (some->empty()) break;
      for (const fs::DirEntry& entry : *some) {
        const std::size_t index = std::stoul(entry.name.substr(5));
        ASSERT_LT(index, entries_);
        ASSERT_FALSE(seen[index]) << entry.name << " twice";
        seen[index] = true;
        ++count;
      }
      options.cursor = some->back().cursor;
    }
    ASSERT_EQ(count, entries_);
  }
  void find_and_remove() {
    for (std::size_t i = 0; i < entries_; i += 97) {
      ASSERT_EQ(driver_.error(driver_.fs().lookup(kRoot, kTop, name(i))), 0) << i;
    }
    ASSERT_EQ(driver_.error(driver_.fs().lookup(kRoot, kTop, name(entries_))), ENOENT);
    for (std::size_t i = 0; i < entries_; ++i) {
      ASSERT_EQ(driver_.error(driver_.fs().unlink(kRoot, kTop, name(i))), 0) << i;
    }
    ASSERT_TRUE(driver_.run(driver_.fs().readdir(kRoot, kTop, {}))->empty());
  }

 private:
  static std::string name(std::size_t index) { return "entry" + std::to_string(index); }
  Driver& driver_;
  const std::size_t entries_;
};

TEST_P(Scale, AHundredThousandEntries) {
  ScaleOf scale(driver(), 100'000);
  ASSERT_NO_FATAL_FAILURE(scale.make());
  ASSERT_NO_FATAL_FAILURE(scale.list());
  ASSERT_NO_FATAL_FAILURE(scale.find_and_remove());
}

TEST_P(Scale, SlowAMillionEntries) {
  ScaleOf scale(driver(), 1'000'000);
  ASSERT_NO_FATAL_FAILURE(scale.make());
  ASSERT_NO_FATAL_FAILURE(scale.list());
  ASSERT_NO_FATAL_FAILURE(scale.find_and_remove());
}

TEST_P(Scale, DeepTrees) {
  fs::NodeId at = kTop;
  for (int depth = 0; depth < 500; ++depth) at = make_dir("d", at);
  make_file("bottom", "here", at);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, "d", at, "x", fs::RenameFlags::kReplace)), EINVAL);
  for (int depth = 0; depth < 500; ++depth) at = run(fs().parent(at)).value();
  EXPECT_EQ(at, kTop);
}

}  // namespace
}  // namespace ross::conformance
