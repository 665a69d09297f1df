// Goal: a snapshot stays what it was, and difference() finds each kind of difference.
// Method: small trees; one change at a time, each of which must be told.
#include "model/model_state.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "model/compare.h"
#include "model/model_file_system.h"

namespace ross::model {
namespace {

class ModelTest : public testing::Test {
 protected:
  ModelTest() : loop(std::move(runtime::Loop::create({.clock = &clock}).value())), fs(clock) {}

  template <class T>
  T run(runtime::Task<T> task) {
    clock.advance(1000);
    return loop->block_on(std::move(task));
  }
  fs::FileId make_file(const std::string& name, std::string text) {
    const auto opened = run(fs.create(root, fs::kRootNode, name, 0644, {.read = true, .write = true}));
    EXPECT_TRUE(opened.has_value());
    EXPECT_TRUE(run(fs.write(opened->file, 0, memory::Memory(text.data(), text.size()))).has_value());
    return opened->file;
  }
  std::string told(const ModelState& state) { return run(difference(fs, state)).value(); }

  SimClock clock;
  std::unique_ptr<runtime::Loop> loop;
  ModelFileSystem fs;
  fs::Credential root;
};

TEST_F(ModelTest, ASnapshotStaysWhatItWas) {
  const fs::FileId file = make_file("a", "before");
  const ModelState snapshot = fs.state();
  EXPECT_EQ(told(snapshot), "");
  std::string text = "after!";
  ASSERT_TRUE(run(fs.write(file, 0, memory::Memory(text.data(), text.size()))).has_value());
  ASSERT_TRUE(run(fs.mkdir(root, fs::kRootNode, "d", 0755)).has_value());
  EXPECT_NE(told(snapshot), "");
  EXPECT_EQ(told(fs.state()), "");

  ModelFileSystem again(clock, snapshot);
  EXPECT_EQ(run(difference(again, snapshot)).value(), "");
  EXPECT_EQ(run(again.lookup(root, fs::kRootNode, "d")).error().error(), ENOENT);
}

TEST_F(ModelTest, WhatOnlyAnOpenFileHeldIsGoneAfterARestart) {
  make_file("a", "text");
  ASSERT_TRUE(run(fs.unlink(root, fs::kRootNode, "a")).ok());
  const ModelState after = fs.state();
  EXPECT_EQ(after.nodes().size(), 1U);
  EXPECT_EQ(after.used_bytes(), 0U);
}

TEST_F(ModelTest, EveryKindOfDifferenceIsTold) {
  const fs::FileId file = make_file("a", "text");
  ASSERT_TRUE(run(fs.symlink(root, fs::kRootNode, "s", "a")).has_value());
  const fs::NodeId node = run(fs.lookup(root, fs::kRootNode, "a")).value().node;
  const fs::NodeId link = run(fs.lookup(root, fs::kRootNode, "s")).value().node;
  ASSERT_TRUE(run(fs.setxattr(root, node, "user.x", "1", fs::XattrFlags::kSet)).ok());
  ASSERT_TRUE(run(fs.setattr(root, node, {.size_bytes = 1ULL << 40})).has_value());
  const ModelState good = fs.state();
  ASSERT_EQ(told(good), "");

  const auto broken = [&good](const std::function<void(ModelState&)>& change) {
    ModelState state = good;
    change(state);
    return state;
  };
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->attr.mode ^= 1; })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->attr.links = 2; })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->attr.mtime_ns += 1; })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->attr.size_bytes += 1; })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->xattrs["user.x"] = "2"; })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->xattrs["user.y"] = ""; })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(link)->target = "b"; })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(fs::kRootNode)->remove_entry("s"); })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(fs::kRootNode)->add_entry("t", node); })), "");
  char byte = 'x';
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->content.write(1, memory::Memory(&byte, 1)); })), "");
  EXPECT_NE(told(broken([&](ModelState& s) { s.edit(node)->content.write(1ULL << 39, memory::Memory(&byte, 1)); })),
            "");
  ASSERT_TRUE(run(fs.write(file, 1ULL << 38, memory::Memory(&byte, 1))).has_value());
  const CompareOptions no_times{.times = false};
  EXPECT_NE(run(difference(fs, good, no_times)).value(), "");
}

}  // namespace
}  // namespace ross::model
