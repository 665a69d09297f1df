// Goal: a tree that goes into a container and comes out again is the same, and what fails or stops leaves files whole
// or absent.
// Method: host trees in a temporary directory, the model file system as the container, real threads.
#include "apps/ross/copy/copier.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "apps/ross/copy/host_sink.h"
#include "apps/ross/copy/host_source.h"
#include "apps/ross/copy/store_sink.h"
#include "apps/ross/copy/store_source.h"
#include "apps/ross/session.h"
#include "base/random.h"
#include "model/model_file_system.h"

namespace ross::cli::copy {
namespace {

class CopierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "copier-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    loop_ = *runtime::Loop::create();
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, std::size_t bytes) {
    std::string data(bytes, '\0');
    for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
      const std::uint64_t word = random_();
      std::memcpy(data.data() + at, &word, std::min(sizeof word, bytes - at));
    }
    std::ofstream(root_ + path, std::ios::binary) << data;
  }
  static std::string read(const std::string& path) {
    std::string data(std::filesystem::file_size(path), '\0');
    std::ifstream(path, std::ios::binary).read(data.data(), static_cast<std::streamsize>(data.size()));
    return data;
  }
  std::vector<std::string> run(Source& source, Sink& sink, Root root, unsigned jobs = 2) {
    std::vector<std::string> errors;
    std::mutex mutex;
    Copier copier(source, sink, {.jobs = jobs}, [&](std::string_view path, const Status& status) {
      const std::lock_guard lock(mutex);
      errors.push_back(std::string(path) + ": " + status.message());
    });
    copier.add(std::move(root));
    EXPECT_TRUE(copier.run([] {}).ok());
    files_ = copier.counts().files;
    return errors;
  }
  std::vector<std::string> import(const std::string& path) {
    auto found = HostSource::open_root(root_ + path);
    HostSource source;
    StoreSink sink(fs_, cred_);
    Root root;
    root.from_directory = found->directory;
    root.item = found->item;
    root.to_directory = StoreSink::root_directory(fs::kRootNode);
    root.text = path;
    return run(source, sink, std::move(root));
  }
  std::vector<std::string> export_to(const std::string& path) {
    std::filesystem::create_directories(root_ + path);
    StoreSource source(fs_, cred_);
    HostSink sink;
    Root root;
    root.from_directory = StoreSource::root_directory(fs::kRootNode);
    root.item.attr = *loop_->block_on(fs_.getattr(fs::kRootNode));
    root.to_directory = *HostSink::open_root(root_ + path);
    root.text = "store";
    return run(source, sink, std::move(root));
  }

  SimClock clock_;
  model::ModelFileSystem fs_{clock_, {.capacity_bytes = 1 << 30}};
  const fs::Credential cred_ = process_credential();
  std::unique_ptr<runtime::Loop> loop_;
  Random random_{7};
  std::string root_;
  std::uint64_t files_ = 0;
};

TEST_F(CopierTest, ATreeComesOutAsItWentIn) {
  std::filesystem::create_directories(root_ + "/in/deep/er/and/deeper");
  std::filesystem::create_directories(root_ + "/in/empty");
  const std::size_t sizes[] = {
      0, 1, 4095, 4096, 4097, kPieceBytes - 1, kPieceBytes, kPieceBytes + 1, 9 * kPieceBytes + 5};
  for (const std::size_t size : sizes) write("/in/deep/file-" + std::to_string(size), size);
  for (int i = 0; i < 700; ++i) write("/in/deep/er/" + std::to_string(i), static_cast<std::size_t>(i));
  std::filesystem::create_symlink("../nowhere", root_ + "/in/deep/link");
  for (const char* name : {"/in/second", "/in/deep/third", "/in/empty/fourth"}) {
    std::filesystem::create_hard_link(root_ + "/in/deep/file-4097", root_ + name);
  }
  ASSERT_EQ(::mkfifo((root_ + "/in/fifo").c_str(), 0640), 0);
  const int hole = ::open((root_ + "/in/hole").c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_EQ(::ftruncate(hole, 64 << 20), 0);
  ASSERT_EQ(::pwrite(hole, "x", 1, 20 << 20), 1);
  ::close(hole);
  ASSERT_EQ(::chmod((root_ + "/in/deep/file-1").c_str(), 04511), 0);
  const timespec times[2] = {{-5, 123456789}, {1'600'000'000, 987654321}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (root_ + "/in/deep/file-1").c_str(), times, 0), 0);
  ASSERT_EQ(::utimensat(AT_FDCWD, (root_ + "/in/deep/er").c_str(), times, 0), 0);
  ASSERT_EQ(::utimensat(AT_FDCWD, (root_ + "/in/deep/link").c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  const bool xattrs = ::setxattr((root_ + "/in/deep/file-1").c_str(), "user.k", "v\0w", 3, 0) == 0;

  EXPECT_THAT(import("/in"), ::testing::IsEmpty());
  EXPECT_THAT(export_to("/out"), ::testing::IsEmpty());

  // The trees have the same names, and each of them the same of everything.
  std::size_t names = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_ + "/in")) {
    ++names;
    const std::string from = entry.path().string();
    const std::string to = root_ + "/out" + from.substr(root_.size() + 3);
    struct stat a {};
    struct stat b {};
    ASSERT_EQ(::lstat(from.c_str(), &a), 0);
    ASSERT_EQ(::lstat(to.c_str(), &b), 0) << to;
    EXPECT_EQ(a.st_mode, b.st_mode) << to;
    EXPECT_EQ(a.st_uid, b.st_uid) << to;
    EXPECT_EQ(a.st_nlink, b.st_nlink) << to;
    EXPECT_EQ(a.st_mtim.tv_sec, b.st_mtim.tv_sec) << to;
    EXPECT_EQ(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec) << to;
    if (S_ISREG(a.st_mode)) {
      EXPECT_EQ(read(from), read(to)) << to;
    }
    if (S_ISLNK(a.st_mode)) {
      EXPECT_EQ(std::filesystem::read_symlink(from), std::filesystem::read_symlink(to));
    }
  }
  const auto out = std::filesystem::recursive_directory_iterator(root_ + "/out");
  EXPECT_EQ(static_cast<std::size_t>(std::distance(begin(out), end(out))), names);
  struct stat sparse {};
  ASSERT_EQ(::stat((root_ + "/out/hole").c_str(), &sparse), 0);
  EXPECT_LT(sparse.st_blocks * 512, 8 << 20);  // the hole is one still
  char value[8];
  if (xattrs) {
    EXPECT_EQ(::getxattr((root_ + "/out/deep/file-1").c_str(), "user.k", value, sizeof value), 3);
  }
}

TEST_F(CopierTest, ReplacesFilesAndKeepsWhatIsBesideThem) {
  std::filesystem::create_directories(root_ + "/in/d");
  write("/in/d/a", 100);
  EXPECT_THAT(import("/in"), ::testing::IsEmpty());
  write("/in/d/a", 50);
  std::filesystem::create_symlink("a", root_ + "/in/d/b");
  EXPECT_THAT(import("/in"), ::testing::IsEmpty());
  EXPECT_THAT(import("/in"), ::testing::IsEmpty());  // a link that is there is replaced, not followed
  EXPECT_THAT(export_to("/out"), ::testing::IsEmpty());
  EXPECT_THAT(export_to("/out"), ::testing::IsEmpty());
  EXPECT_EQ(read(root_ + "/out/d/a"), read(root_ + "/in/d/a"));
  EXPECT_EQ(std::filesystem::read_symlink(root_ + "/out/d/b"), "a");
  std::size_t names = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root_ + "/out/d")) names += entry.exists() ? 1 : 0;
  EXPECT_EQ(names, 2U);  // no temporary name is left
}

TEST_F(CopierTest, AFileAndADirectoryDoNotReplaceEachOther) {
  std::filesystem::create_directories(root_ + "/in/x");
  write("/in/y", 10);
  EXPECT_THAT(import("/in"), ::testing::IsEmpty());
  std::filesystem::remove_all(root_ + "/in");
  std::filesystem::create_directories(root_ + "/in/y");
  write("/in/x", 10);
  write("/in/z", 10);
  EXPECT_THAT(import("/in"), ::testing::SizeIs(2));  // told, and the rest is copied
  EXPECT_EQ(files_, 1U);
}

TEST_F(CopierTest, AFullContainerStopsWithOneLine) {
  model::ModelFileSystem small(clock_, {.capacity_bytes = 256 << 10});
  std::filesystem::create_directories(root_ + "/in");
  for (int i = 0; i < 100; ++i) write("/in/" + std::to_string(i), 16 << 10);
  auto found = HostSource::open_root(root_ + "/in");
  HostSource source;
  StoreSink sink(small, cred_);
  Root root;
  root.from_directory = found->directory;
  root.item = found->item;
  root.to_directory = StoreSink::root_directory(fs::kRootNode);
  EXPECT_THAT(run(source, sink, std::move(root)), ::testing::SizeIs(1));
  fs::ReaddirOptions options;
  options.with_attr = true;
  const auto entries = loop_->block_on(small.readdir(cred_, fs::kRootNode, options));
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ(entries->size(), files_);
  EXPECT_LT(files_, 17U);
  for (const fs::DirEntry& entry : *entries) EXPECT_EQ(entry.attr->size_bytes, 16U << 10) << entry.name;
}

// One that is finished twice takes a child too many off its parent, which then has its times before its last child is made.
TEST_F(CopierTest, ADirectoryIsFinishedOnceThoughAnotherLaneComesToItsEndFirst) {
  constexpr std::size_t kParents = 50;
  for (std::size_t i = 0; i < kParents; ++i) {
    std::filesystem::create_directories(fmt::format("{}/in/{}/one", root_, i));
    std::filesystem::create_directories(fmt::format("{}/in/{}/two", root_, i));
  }
  auto found = HostSource::open_root(root_ + "/in");
  HostSource source;
  StoreSink sink(fs_, cred_);
  // Looking each directory up among those left out takes longer than another lane needs to see the end of the listing.
  CopierOptions options{.jobs = 2};
  options.skip.assign(500'000, {~std::uint64_t{0}, 0});
  Copier copier(source, sink, std::move(options), [](std::string_view path, const Status&) { ADD_FAILURE() << path; });
  Root root;
  root.from_directory = found->directory;
  root.item = found->item;
  root.to_directory = StoreSink::root_directory(fs::kRootNode);
  copier.add(std::move(root));
  ASSERT_TRUE(copier.run([] {}).ok());
  EXPECT_EQ(copier.counts().directories, 1 + 3 * kParents);
}

TEST_F(CopierTest, StoppingLeavesFilesWholeOrAbsent) {
  std::filesystem::create_directories(root_ + "/in");
  for (int i = 0; i < 400; ++i) write("/in/" + std::to_string(i), 100'000);
  auto found = HostSource::open_root(root_ + "/in");
  HostSource source;
  StoreSink sink(fs_, cred_);
  Root root;
  root.from_directory = found->directory;
  root.item = found->item;
  root.to_directory = StoreSink::root_directory(fs::kRootNode);
  std::atomic<bool> reported = false;
  Copier copier(source, sink, {.jobs = 2}, [&](std::string_view, const Status&) { reported = true; });
  copier.add(std::move(root));
  std::thread stopper([&copier] {
    while (copier.counts().files < 20) std::this_thread::yield();
    copier.stop();
  });
  EXPECT_TRUE(copier.run([] {}).ok());
  stopper.join();
  EXPECT_FALSE(reported);
  fs::ReaddirOptions options;
  options.with_attr = true;
  const auto entries = loop_->block_on(fs_.readdir(cred_, fs::kRootNode, options));
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ(entries->size(), copier.counts().files);
  EXPECT_GE(entries->size(), 20U);
  for (const fs::DirEntry& entry : *entries) EXPECT_EQ(entry.attr->size_bytes, 100'000U) << entry.name;
}

}  // namespace
}  // namespace ross::cli::copy
