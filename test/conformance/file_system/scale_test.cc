// Directories of many entries: every one found, listed once, and taken away again. Many calls are at work at once: through
// a connection, one at a time would take minutes of waking threads and say nothing more about the directory.
#include "conformance/file_system/harness.h"
#include "effort.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Scale);

class ScaleOf {
 public:
  ScaleOf(Driver& driver, std::size_t entries) : driver_(driver), entries_(entries) {}

  void make() { ASSERT_NO_FATAL_FAILURE(for_each(&ScaleOf::make_one)); }
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
    ASSERT_NO_FATAL_FAILURE(for_each(&ScaleOf::remove_one));
    ASSERT_TRUE(driver_.run(driver_.fs().readdir(kRoot, kTop, {}))->empty());
  }

 private:
  static constexpr std::size_t kInflightMax = 64;

  runtime::Task<int> make_one(std::size_t index) {
    const std::string entry = name(index);
    co_return errno_of(co_await driver_.fs().mknod(kRoot, kTop, entry, S_IFREG | 0644, 0));
  }
  runtime::Task<int> remove_one(std::size_t index) {
    const std::string entry = name(index);
    co_return errno_of(co_await driver_.fs().unlink(kRoot, kTop, entry));
  }
  void for_each(runtime::Task<int> (ScaleOf::*call)(std::size_t index)) {
    std::size_t inflight = 0;
    std::size_t next = 0;
    int failure = 0;  // the first ends it
    while ((next < entries_ && failure == 0) || inflight > 0) {
      while (next < entries_ && failure == 0 && inflight < kInflightMax) {
        ++inflight;
        driver_.loop().start((this->*call)(next++), [&](int error) {
          --inflight;
          if (failure == 0) failure = error;
        });
      }
      if (inflight > 0) driver_.loop().wait();
    }
    ASSERT_EQ(failure, 0) << "among the first " << next;
  }

  static std::string name(std::size_t index) { return "entry" + std::to_string(index); }
  Driver& driver_;
  const std::size_t entries_;
};

TEST_P(Scale, AHundredThousandEntries) {
  ScaleOf scale(driver(), repeats(100'000));
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
