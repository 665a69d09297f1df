// Listing: whole, in portions, and while the directory changes.
#include <algorithm>
#include <map>
#include <set>

#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Readdir);

TEST_P(Readdir, PortionsOfAnySizeShowTheSame) {
  std::vector<std::string> expected;
  for (int i = 0; i < 100; ++i) {
    expected.push_back("entry" + std::to_string(i));
    make_file(expected.back());
  }
  std::sort(expected.begin(), expected.end());
  for (const std::size_t portion : {1U, 2U, 7U, 99U, 100U, 101U, 1000U}) EXPECT_EQ(names(kTop, portion), expected);
}

TEST_P(Readdir, EntriesTellNodeTypeAndAttributes) {
  make_file("file", "text");
  make_dir("dir");
  make_link("link", "x");
  ASSERT_EQ(error(fs().mknod(kRoot, kTop, "fifo", S_IFIFO | 0600, 0)), 0);
  const auto plain = run(fs().readdir(kRoot, kTop, {})).value();
  ASSERT_EQ(plain.size(), 4U);
  for (const fs::DirEntry& entry : plain) {
    EXPECT_EQ(entry.node, node_at(entry.name));
    EXPECT_EQ(entry.type, attr(entry.node).mode & S_IFMT) << entry.name;
  }
  const auto with_attr = run(fs().readdir(kRoot, kTop, {.with_attr = true})).value();
  ASSERT_EQ(with_attr.size(), 4U);
  for (const fs::DirEntry& entry : with_attr) {
    ASSERT_TRUE(entry.attr.has_value());
    const fs::Attr expected = attr(entry.node);
    EXPECT_EQ(entry.attr->node, expected.node);
    EXPECT_EQ(entry.attr->mode, expected.mode);
    EXPECT_EQ(entry.attr->size_bytes, expected.size_bytes);
    EXPECT_EQ(entry.attr->mtime_ns, expected.mtime_ns);
  }
}

TEST_P(Readdir, Errors) {
  const fs::NodeId file = make_file("file");
  EXPECT_EQ(error(fs().readdir(kRoot, file, {})), ENOTDIR);
  EXPECT_EQ(error(fs().readdir(kRoot, fs::NodeId(1ULL << 60), {})), ESTALE);
  const fs::NodeId hidden = make_dir("hidden", kTop, 0711);
  EXPECT_EQ(error(fs().readdir(kAlice, hidden, {})), EACCES);
}

TEST_P(Readdir, TheEndIsEmptyAndStaysSo) {
  make_file("a");
  const auto all = run(fs().readdir(kRoot, kTop, {})).value();
  ASSERT_EQ(all.size(), 1U);
  const fs::ReaddirOptions behind{.cursor = all.back().cursor};
  EXPECT_TRUE(run(fs().readdir(kRoot, kTop, behind))->empty());
  EXPECT_TRUE(run(fs().readdir(kRoot, kTop, behind))->empty());
}

TEST_P(Readdir, ACursorOutlivesItsEntry) {
  for (int i = 0; i < 10; ++i) make_file(std::to_string(i));
  std::set<std::string> seen;
  fs::ReaddirOptions options{.entries_max = 1};
  while (true) {
    const auto one = run(fs().readdir(kRoot, kTop, options)).value();
    if (one.empty()) break;
    EXPECT_TRUE(seen.insert(one[0].name).second) << one[0].name << " twice";
    options.cursor = one[0].cursor;
    ASSERT_EQ(error(fs().unlink(kRoot, kTop, one[0].name)), 0);
  }
  EXPECT_EQ(seen.size(), 10U);
  EXPECT_TRUE(names(kTop).empty());
}

// rm -r of a big directory: removes each portion before it asks for the next.
TEST_P(Readdir, RemovingWhatWasListedMissesNothing) {
  for (int i = 0; i < 500; ++i) make_file(std::to_string(i));
  fs::ReaddirOptions options{.entries_max = 37};
  while (true) {
    const auto some = run(fs().readdir(kRoot, kTop, options)).value();
    if (some.empty()) break;
    for (const fs::DirEntry& entry : some) ASSERT_EQ(error(fs().unlink(kRoot, kTop, entry.name)), 0);
    options.cursor = some.back().cursor;
  }
  EXPECT_TRUE(names(kTop).empty());
}

TEST_P(Readdir, WhatStaysIsListedOnceWhileOthersComeAndGo) {
  Random random(3);
  for (int i = 0; i < 200; ++i) make_file("stays" + std::to_string(i));
  std::map<std::string, int> seen;
  std::set<std::string> changing;
  fs::ReaddirOptions options{.entries_max = 5};
  for (int next = 0;; ++next) {
    ASSERT_LT(next, 10'000) << "new entries keep the listing from ending";
    const auto some = run(fs().readdir(kRoot, kTop, options)).value();
    if (some.empty()) break;
    for (const fs::DirEntry& entry : some) ++seen[entry.name];
    options.cursor = some.back().cursor;
    if (next >= 150) continue;
    changing.insert("comes" + std::to_string(next));
    make_file("comes" + std::to_string(next));
    const std::string gone = *std::next(changing.begin(), static_cast<long>(random.below(changing.size())));
    if (random.chance(1, 2)) {
      ASSERT_EQ(error(fs().unlink(kRoot, kTop, gone)), 0);
      changing.erase(gone);
    }
    // Replacing what a name holds does not move the name.
    make_file("new");
    const std::string target = "stays" + std::to_string(random.below(200));
    ASSERT_EQ(error(fs().rename(kRoot, kTop, "new", kTop, target, fs::RenameFlags::kReplace)), 0);
  }
  for (int i = 0; i < 200; ++i) EXPECT_EQ(seen["stays" + std::to_string(i)], 1) << i;
  for (const auto& [name, count] : seen) {
    if (name != "new") {
      EXPECT_EQ(count, 1) << name;
    }
  }
}

TEST_P(Readdir, TwoListingsDoNotDisturbEachOther) {
  for (int i = 0; i < 20; ++i) make_file(std::to_string(i));
  fs::ReaddirOptions one{.entries_max = 3};
  fs::ReaddirOptions two{.entries_max = 4};
  std::multiset<std::string> seen;
  for (int i = 0; i < 10; ++i) {
    for (fs::ReaddirOptions* options : {&one, &two}) {
      const auto some = run(fs().readdir(kRoot, kTop, *options)).value();
      for (const fs::DirEntry& entry : some) seen.insert(entry.name);
      if (!some.empty()) options->cursor = some.back().cursor;
    }
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(seen.count(std::to_string(i)), 2U) << i;
}

}  // namespace
}  // namespace ross::conformance
