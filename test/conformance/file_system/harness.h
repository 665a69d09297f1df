// The fixture of the suite: a fresh file system, a loop to drive it, and words for what every test does.
//
// Threading: owner thread; run_threads gives each thread a Driver of its own.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/units.h"
#include "conformance/file_system/backend.h"
#include "fs/file_system.h"
#include "runtime/loop.h"

namespace ross::conformance {

inline const fs::Credential kRoot;
inline const fs::Credential kAlice{.uid = 1000, .gid = 1000, .groups = {2000}};
inline const fs::Credential kBob{.uid = 1001, .gid = 1001, .groups = {2000, 2001}};
inline const fs::Credential kCarol{.uid = 1002, .gid = 1002};
inline constexpr fs::NodeId kTop = fs::kRootNode;

inline int errno_of(const Status& status) { return status.error(); }
template <class T>
int errno_of(const Result<T>& result) {
  return result ? 0 : result.error().error();
}

// One thread's way to make calls.
class Driver {
 public:
  explicit Driver(fs::FileSystem& fs)
      : fs_(fs), own_loop_(std::move(runtime::Loop::create().value())), loop_(*own_loop_) {}
  explicit Driver(Instance& instance)
      : fs_(instance.file_system()),
        own_loop_(instance.loop() == nullptr ? std::move(runtime::Loop::create().value()) : nullptr),
        loop_(own_loop_ == nullptr ? *instance.loop() : *own_loop_) {}
  template <class T>
  T run(runtime::Task<T> task) {
    return loop_.block_on(std::move(task));
  }
  template <class T>
  int error(runtime::Task<T> task) {
    return errno_of(run(std::move(task)));
  }
  [[nodiscard]] fs::FileSystem& fs() const { return fs_; }
  [[nodiscard]] runtime::Loop& loop() const { return loop_; }

 private:
  fs::FileSystem& fs_;
  const std::unique_ptr<runtime::Loop> own_loop_;
  runtime::Loop& loop_;
};

class FileSystemTest : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;
  void TearDown() override;
  // Begins anew with other options.
  void remake(const InstanceOptions& options);
  // Restarts; open files are gone.
  void restart();

  [[nodiscard]] fs::FileSystem& fs() const { return instance_->file_system(); }
  [[nodiscard]] const Capabilities& can() const { return GetParam().capabilities; }
  template <class T>
  T run(runtime::Task<T> task) {
    return driver_->run(std::move(task));
  }
  // Runs the call; 0 or its errno.
  template <class T>
  int error(runtime::Task<T> task) {
    return driver_->error(std::move(task));
  }
  Driver& driver() { return *driver_; }
  void run_threads(int count, const std::function<void(Driver& driver, int index)>& body);
  // A moment passes: what is done next has a later time.
  void tick();

  // Each makes it as uid 0 and expects that it works.
  fs::NodeId make_dir(std::string_view name, fs::NodeId parent = kTop, std::uint32_t mode = 0755);
  fs::NodeId make_file(std::string_view name, std::string_view text = {}, fs::NodeId parent = kTop,
                       std::uint32_t mode = 0644);
  fs::NodeId make_link(std::string_view name, std::string_view target, fs::NodeId parent = kTop);
  void chown(fs::NodeId node, const fs::Credential& owner, std::uint32_t mode);
  // Opened files are closed at the end of the test if the test did not.
  fs::FileId open(fs::NodeId node, fs::OpenFlags flags = {.read = true, .write = true},
                  const fs::Credential& cred = kRoot);
  fs::Attr attr(fs::NodeId node);
  std::uint32_t permissions(fs::NodeId node) { return attr(node).mode & 07777; }
  fs::NodeId node_at(std::string_view name, fs::NodeId parent = kTop);  // value 0: not there
  bool exists(std::string_view name, fs::NodeId parent = kTop) { return node_at(name, parent).value != 0; }
  // All names, sorted, read in portions of entries_max.
  std::vector<std::string> names(fs::NodeId directory, std::size_t entries_max = 1024);
  std::string read(fs::FileId file, std::uint64_t offset_bytes, std::size_t size_bytes);
  std::string content(fs::NodeId node);
  // 0 when all was written, else the errno.
  int write(fs::FileId file, std::uint64_t offset_bytes, std::string_view text);

  ShiftClock clock;

 private:
  std::unique_ptr<Instance> instance_;
  std::unique_ptr<Driver> driver_;
  std::vector<fs::FileId> opened_;
};

// Bytes that tell where they belong: a torn or misplaced write shows.
std::string pattern(std::uint64_t seed, std::size_t size_bytes);

inline std::string backend_name(const testing::TestParamInfo<Backend>& tested) { return tested.param.name; }

// Makes a suite of tests run on every backend of the program.
#define ROSS_ON_EVERY_BACKEND(Suite) INSTANTIATE_TEST_SUITE_P(All, Suite, testing::ValuesIn(backends()), backend_name)
#define ROSS_FILE_SYSTEM_SUITE(Suite)     \
  class Suite : public FileSystemTest {}; \
  ROSS_ON_EVERY_BACKEND(Suite)

#define ROSS_NEEDS(capability) \
  if (!can().capability) GTEST_SKIP() << GetParam().name << " does not claim " #capability

}  // namespace ross::conformance
