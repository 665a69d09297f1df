// Goal: objects come back as they went in, replacement is whole, and a durable put has synced both content and name.
// Method: the model file system, one that notes the order of calls and can fail one of them.
#include "fs/object.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>

#include "model/model_file_system.h"

namespace ross::fs {
namespace {

class Recorder final : public model::ModelFileSystem {
 public:
  using ModelFileSystem::ModelFileSystem;
  Async<std::uint64_t> write(FileId file, std::uint64_t offset_bytes, memory::Memory from) override {
    calls += "write ";
    return ModelFileSystem::write(file, offset_bytes, from);
  }
  AsyncStatus fsync(FileId file, bool data_only) override {
    calls += "fsync ";
    if (--good_fsyncs < 0) return AsyncStatus::ready(Status(EIO));
    return ModelFileSystem::fsync(file, data_only);
  }
  AsyncStatus publish(const Credential& cred, FileId file, NodeId parent, std::string_view name) override {
    calls += "publish ";
    return ModelFileSystem::publish(cred, file, parent, name);
  }
  AsyncStatus close(FileId file) override {
    calls += "close ";
    return ModelFileSystem::close(file);
  }
  std::string calls;
  int good_fsyncs = 1000;
};

class ObjectTest : public testing::Test {
 protected:
  ObjectTest() : loop(std::move(runtime::Loop::create({.clock = &clock}).value())), fs(clock) {}

  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }
  int put(std::string_view key, std::string text, PutOptions options = {}) {
    return run(put_object(fs, cred, key, memory::Memory(text.data(), text.size()), options)).error();
  }
  std::string get(std::string_view key, std::size_t size = 100, std::uint64_t offset = 0) {
    std::string text(size, '?');
    const auto count = run(get_object(fs, cred, key, memory::Memory(text.data(), text.size()), offset));
    return count ? text.substr(0, *count) : "error " + std::to_string(count.error().error());
  }

  SimClock clock;
  std::unique_ptr<runtime::Loop> loop;
  Recorder fs;
  Credential cred;
};

TEST_F(ObjectTest, ComesBackAsItWentIn) {
  EXPECT_EQ(put("plain", "1"), 0);
  EXPECT_EQ(put("train/2026/part-0", "hello"), 0);
  EXPECT_EQ(put("train/2026/empty", ""), 0);
  EXPECT_EQ(get("plain"), "1");
  EXPECT_EQ(get("train/2026/part-0"), "hello");
  EXPECT_EQ(get("train/2026/part-0", 3), "hel");
  EXPECT_EQ(get("train/2026/part-0", 3, 3), "lo");
  EXPECT_EQ(get("train/2026/part-0", 3, 9), "");
  EXPECT_EQ(get("train/2026/empty"), "");
  EXPECT_EQ(run(head_object(fs, cred, "train/2026/part-0"))->size_bytes, 5U);
}

TEST_F(ObjectTest, IsReplacedAndRemoved) {
  EXPECT_EQ(put("a/b", "a long one"), 0);
  EXPECT_EQ(put("a/b", "short"), 0);
  EXPECT_EQ(get("a/b"), "short");
  EXPECT_EQ(fs.state().nodes().size(), 3U);  // root, directory, object: nothing is left of the first
  EXPECT_TRUE(run(remove_object(fs, cred, "a/b")).ok());
  EXPECT_EQ(get("a/b"), "error " + std::to_string(ENOENT));
  EXPECT_EQ(run(remove_object(fs, cred, "a/b")).error(), ENOENT);
}

TEST_F(ObjectTest, TakesItsModeAndDirectoriesThatFit) {
  ASSERT_EQ(put("secret/key", "1", {.mode = 0600}), 0);
  ASSERT_EQ(put("open/key", "1", {.mode = 0644}), 0);
  const auto mode = [this](std::string_view name) { return run(fs.lookup(cred, kRootNode, name))->mode; };
  EXPECT_EQ(mode("secret"), S_IFDIR | 0700U);
  EXPECT_EQ(mode("open"), S_IFDIR | 0755U);
  EXPECT_EQ(run(head_object(fs, cred, "secret/key"))->mode, S_IFREG | 0600U);
}

TEST_F(ObjectTest, BadKeysAreRefusedBeforeAnythingIsMade) {
  const std::string long_part(kNameBytesMax + 1, 'x');
  std::string long_key = "d";
  while (long_key.size() <= 4096) long_key += "/d";
  using namespace std::string_literals;
  for (const std::string& key : {""s, "/a"s, "a/"s, "a//b"s, "."s, "a/."s, "../a"s, "a/../b"s, "a\0b"s}) {
    EXPECT_EQ(put(key, "x"), EINVAL) << key;
    EXPECT_EQ(get(key), "error " + std::to_string(EINVAL)) << key;
    EXPECT_EQ(run(remove_object(fs, cred, key)).error(), EINVAL) << key;
  }
  EXPECT_EQ(put("new/" + long_part, "x"), ENAMETOOLONG);
  EXPECT_EQ(put(long_key, "x"), ENAMETOOLONG);
  EXPECT_EQ(fs.state().nodes().size(), 1U);
}

TEST_F(ObjectTest, MeetsDirectoriesAndLinks) {
  ASSERT_EQ(put("d/x", "1"), 0);
  EXPECT_EQ(put("d", "2"), EISDIR);
  EXPECT_EQ(put("d/x/y", "2"), ENOTDIR);
  EXPECT_EQ(get("d"), "error " + std::to_string(EISDIR));
  EXPECT_EQ(run(remove_object(fs, cred, "d")).error(), EISDIR);
  ASSERT_TRUE(run(fs.symlink(cred, kRootNode, "to_d", "d")).has_value());
  ASSERT_TRUE(run(fs.symlink(cred, kRootNode, "to_x", "d/x")).has_value());
  EXPECT_EQ(get("to_d/x"), "1");
  EXPECT_EQ(get("to_x"), "1");
  EXPECT_EQ(put("to_d/z", "3"), 0);
  EXPECT_EQ(get("d/z"), "3");
  EXPECT_EQ(put("to_x", "4"), 0);  // replaces the link, as a rename would
  EXPECT_EQ(get("d/x"), "1");
  ASSERT_TRUE(run(fs.symlink(cred, kRootNode, "dangling", "nothing")).has_value());
  EXPECT_EQ(put("dangling/x", "5"), ENOENT);
}

TEST_F(ObjectTest, DurableSyncsContentThenName) {
  ASSERT_EQ(put("a", "1"), 0);
  EXPECT_EQ(fs.calls, "write fsync publish fsync close ");
  fs.calls.clear();
  ASSERT_EQ(put("a", "2", {.durable = false}), 0);
  EXPECT_EQ(fs.calls, "write publish close ");
}

TEST_F(ObjectTest, AFailedSyncIsToldAndTheFileClosed) {
  ASSERT_EQ(put("a", "old"), 0);
  fs.good_fsyncs = 0;
  EXPECT_EQ(put("a", "new"), EIO);
  EXPECT_EQ(get("a"), "old");
  fs.good_fsyncs = 1;
  EXPECT_EQ(put("b", "new"), EIO);  // the name may be there, but nobody was told that it lasts
  EXPECT_EQ(run(fs.statfs())->nodes_used, fs.state().nodes().size());
}

TEST_F(ObjectTest, NeedsPermission) {
  cred = {.uid = 1000, .gid = 1000};
  EXPECT_EQ(put("a", "1"), EACCES);
  EXPECT_EQ(put("d/a", "1"), EACCES);
}

TEST_F(ObjectTest, AFailureLeavesTheOldObjectAndNothingElse) {
  ASSERT_EQ(put("a", "old"), 0);
  const std::uint64_t used = fs.state().used_bytes();
  model::ModelFileSystem full(clock, fs.state(), {.capacity_bytes = used});
  std::string text = "new";
  EXPECT_EQ(run(put_object(full, cred, "a", memory::Memory(text.data(), 3))).error(), ENOSPC);
  EXPECT_EQ(run(get_object(full, cred, "a", memory::Memory(text.data(), 3))).value(), 3U);
  EXPECT_EQ(text, "old");
  EXPECT_EQ(run(full.statfs())->nodes_used, 2U);  // the unnamed file is gone: it was closed
}

}  // namespace
}  // namespace ross::fs
