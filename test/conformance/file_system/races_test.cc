// Goal: what the calls promise holds when threads make them at the same time.
// Method: each thread drives a loop of its own; the end state, and every answer on the way, must be one that some order
// of the calls could have given.
#include <algorithm>
#include <atomic>
#include <set>

#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

class Races : public FileSystemTest {
 protected:
  void SetUp() override {
    ROSS_NEEDS(threads);
    FileSystemTest::SetUp();
  }
};
ROSS_ON_EVERY_BACKEND(Races);

constexpr int kThreads = 4;
constexpr int kRounds = 200;

TEST_P(Races, OneExclusiveCreateWins) {
  std::vector<std::atomic<int>> winners(kRounds);
  std::atomic<int> odd{0};
  run_threads(kThreads, [&](Driver& driver, int /*index*/) {
    for (int round = 0; round < kRounds; ++round) {
      const std::string name = "file" + std::to_string(round);
      const auto made = driver.run(driver.fs().create(kRoot, kTop, name, 0600, {.write = true, .exclusive = true}));
      if (made) {
        ++winners[static_cast<std::size_t>(round)];
        if (!made->created || driver.error(driver.fs().close(made->file)) != 0) ++odd;
      } else if (errno_of(made) != EEXIST) {
        ++odd;
      }
    }
  });
  EXPECT_EQ(odd, 0);
  for (const auto& count : winners) EXPECT_EQ(count, 1);
  EXPECT_EQ(names(kTop).size(), static_cast<std::size_t>(kRounds));
}

TEST_P(Races, OneMkdirAndOneRemovalWin) {
  std::atomic<int> made{0};
  std::atomic<int> removed{0};
  std::atomic<int> odd{0};
  run_threads(kThreads, [&](Driver& driver, int index) {
    for (int round = 0; round < kRounds; ++round) {
      const bool makes = (round + index) % 2 == 0;
      const int result = makes ? driver.error(driver.fs().mkdir(kRoot, kTop, "dir", 0755))
                               : driver.error(driver.fs().rmdir(kRoot, kTop, "dir"));
      if (result == 0) ++(makes ? made : removed);
      if (result != 0 && result != (makes ? EEXIST : ENOENT)) ++odd;
    }
  });
  EXPECT_EQ(odd, 0);
  EXPECT_EQ(made - removed, exists("dir") ? 1 : 0);
  EXPECT_EQ(attr(kTop).links, exists("dir") ? 3U : 2U);
}

TEST_P(Races, AppendsDoNotTearOrOverlap) {
  const fs::NodeId node = make_file("log");
  std::atomic<int> odd{0};
  const auto record = [](int index, int round) {
    const std::string name = std::to_string(index) + ":" + std::to_string(round) + ";";
    return name +
           std::string(static_cast<std::size_t>(1 + (round * 37 + index) % 300), static_cast<char>('a' + index)) + "\n";
  };
  run_threads(kThreads, [&](Driver& driver, int index) {
    const auto opened = driver.run(driver.fs().open(kRoot, node, {.write = true, .append = true}));
    for (int round = 0; opened && round < kRounds; ++round) {
      const std::string text = record(index, round);
      const auto from = memory::Memory::for_write(text.data(), text.size());
      if (driver.run(driver.fs().write(opened->file, 0, from)).value_or(0) != text.size()) ++odd;
    }
    if (!opened || driver.error(driver.fs().close(opened->file)) != 0) ++odd;
  });
  EXPECT_EQ(odd, 0);
  const std::string log = content(node);
  std::array<int, kThreads> next{};
  std::size_t at = 0;
  while (at < log.size()) {
    const int index = log[at] - '0';
    ASSERT_TRUE(index >= 0 && index < kThreads) << "torn at " << at;
    const std::string expected = record(index, next[static_cast<std::size_t>(index)]++);
    ASSERT_EQ(log.substr(at, expected.size()), expected) << "at " << at;
    at += expected.size();
  }
  EXPECT_EQ(next, (std::array<int, kThreads>{kRounds, kRounds, kRounds, kRounds}));
}

TEST_P(Races, ARenamedOverNameIsAlwaysThere) {
  make_file("target", "0");
  std::atomic<bool> stop{false};
  std::atomic<int> odd{0};
  run_threads(3, [&](Driver& driver, int index) {
    if (index == 0) {
      for (int round = 0; round < kRounds; ++round) {
        const auto made = driver.run(driver.fs().create(kRoot, kTop, "new", 0600, {.write = true, .exclusive = true}));
        if (!made) ++odd;
        if (!made) continue;
        const std::string text = std::to_string(round);
        if (!driver.run(driver.fs().write(made->file, 0, memory::Memory::for_write(text.data(), text.size())))) ++odd;
        if (driver.error(driver.fs().close(made->file)) != 0) ++odd;
        if (driver.error(driver.fs().rename(kRoot, kTop, "new", kTop, "target", fs::RenameFlags::kReplace)) != 0) ++odd;
      }
      stop = true;
      return;
    }
    while (!stop) {
      const auto found = driver.run(driver.fs().lookup(kRoot, kTop, "target"));
      if (!found || found->links == 0 || found->size_bytes == 0) ++odd;
      const auto listed = driver.run(driver.fs().readdir(kRoot, kTop, {}));
      const auto is_target = [](const fs::DirEntry& entry) { return entry.name == "target"; };
      if (!listed || std::count_if(listed->begin(), listed->end(), is_target) != 1) ++odd;
    }
  });
  EXPECT_EQ(odd, 0);
  EXPECT_EQ(content(node_at("target")), std::to_string(kRounds - 1));
}

TEST_P(Races, ExchangesNeverHideEither) {
  make_file("a", "A");
  make_file("b", "B");
  std::atomic<int> odd{0};
  run_threads(kThreads, [&](Driver& driver, int index) {
    for (int round = 0; round < kRounds; ++round) {
      if (index < 2) {
        if (driver.error(driver.fs().rename(kRoot, kTop, "a", kTop, "b", fs::RenameFlags::kExchange)) != 0) ++odd;
      } else if (driver.error(driver.fs().lookup(kRoot, kTop, round % 2 == 0 ? "a" : "b")) != 0) {
        ++odd;
      }
    }
  });
  EXPECT_EQ(odd, 0);
  EXPECT_EQ(content(node_at("a")) + content(node_at("b")), "AB");  // an even number of exchanges
}

TEST_P(Races, DirectoriesMovedAroundStayATree) {
  std::array<fs::NodeId, 4> dirs{};
  for (std::size_t i = 0; i < dirs.size(); ++i) dirs[i] = make_dir("d" + std::to_string(i));
  std::atomic<int> odd{0};
  run_threads(kThreads, [&](Driver& driver, int index) {
    Random random(static_cast<std::uint64_t>(index));
    for (int round = 0; round < kRounds; ++round) {
      const std::size_t moved = random.below(4);
      const std::string name = "d" + std::to_string(moved);
      const fs::NodeId from = random.chance(1, 3) ? kTop : dirs[random.below(4)];
      const fs::NodeId to = random.chance(1, 3) ? kTop : dirs[random.below(4)];
      const int result = driver.error(driver.fs().rename(kRoot, from, name, to, name, fs::RenameFlags::kReplace));
      if (result != 0 && result != ENOENT && result != EINVAL && result != ENOTEMPTY) ++odd;
    }
  });
  EXPECT_EQ(odd, 0);
  std::uint32_t subdirectories = 0;
  for (const fs::NodeId dir : dirs) {
    fs::NodeId at = dir;
    for (int depth = 0; at != kTop; ++depth) {
      ASSERT_LE(depth, 4) << "a ring";
      at = run(fs().parent(at)).value();
    }
    subdirectories += attr(dir).links - 2;
  }
  EXPECT_EQ(subdirectories + attr(kTop).links - 2, dirs.size());
}

TEST_P(Races, WritesOfOneBlockDoNotMix) {
  constexpr std::size_t kSize = 16 * 1024;
  const fs::NodeId node = make_file("file", std::string(kSize, 'a'));
  std::atomic<int> odd{0};
  run_threads(kThreads, [&](Driver& driver, int index) {
    const auto opened = driver.run(driver.fs().open(kRoot, node, {.read = true, .write = true}));
    std::string text(kSize, static_cast<char>('a' + index));
    for (int round = 0; opened && round < kRounds; ++round) {
      if (index % 2 == 0) {
        if (!driver.run(driver.fs().write(opened->file, 0, memory::Memory(text.data(), kSize)))) ++odd;
      } else {
        const auto count = driver.run(driver.fs().read(opened->file, 0, memory::Memory(text.data(), kSize)));
        if (count.value_or(0) != kSize || text.find_first_not_of(text[0]) != text.npos) ++odd;
      }
    }
    if (!opened || driver.error(driver.fs().close(opened->file)) != 0) ++odd;
  });
  EXPECT_EQ(odd, 0);
}

TEST_P(Races, OpenAgainstUnlink) {
  std::atomic<int> odd{0};
  run_threads(kThreads, [&](Driver& driver, int /*index*/) {
    for (int round = 0; round < kRounds; ++round) {
      const auto made = driver.run(driver.fs().create(kRoot, kTop, "file", 0600, {.read = true, .write = true}));
      if (!made) ++odd;
      if (!made) continue;
      const int gone = driver.error(driver.fs().unlink(kRoot, kTop, "file"));
      if (gone != 0 && gone != ENOENT) ++odd;
      char byte = 'x';
      if (!driver.run(driver.fs().write(made->file, 0, memory::Memory(&byte, 1)))) ++odd;
      if (driver.run(driver.fs().read(made->file, 0, memory::Memory(&byte, 1))).value_or(0) != 1) ++odd;
      if (driver.error(driver.fs().close(made->file)) != 0) ++odd;
    }
  });
  EXPECT_EQ(odd, 0);
  error(fs().unlink(kRoot, kTop, "file"));
  EXPECT_TRUE(names(kTop).empty());
}

}  // namespace
}  // namespace ross::conformance
