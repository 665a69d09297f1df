// Goal: a device that cannot be opened, or goes bad while open, is one clear error.
// Method: bad paths of every kind; a file cut short under an open disk.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "backends.h"
#include "base/units.h"
#include "disk/ram/ram_disk.h"
#include "disk/uring/uring_disk.h"

namespace ross::disk::conformance {
namespace {

using testing::HasSubstr;

void expect_failure(const Result<std::unique_ptr<Disk>>& result, int error, const std::string& text) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(error, result.error().error()) << result.error().message();
  EXPECT_THAT(result.error().message(), HasSubstr(text));
}

TEST(DiskOpen, AMissingPathIsNamed) {
  expect_failure(open_uring("/nonexistent/data0", {}), ENOENT, "/nonexistent/data0");
  expect_failure(open_ram("/nonexistent/data0"), ENOENT, "/nonexistent/data0");
}

TEST(DiskOpen, ADirectoryAndACharacterDeviceAreNoDevices) {
  expect_failure(open_uring(disk_directory(), {}), EINVAL, "neither a file nor a block device");
  expect_failure(open_uring("/dev/null", {}), EINVAL, "neither a file nor a block device");
  expect_failure(open_ram("/dev/null"), EINVAL, "memory file system");
}

TEST(DiskOpen, LessThanABlockIsTooSmall) {
  const TempFile file(disk_directory(), kBlockBytes - 1);
  expect_failure(open_uring(file.path, {}), EINVAL, "truncated");
  const TempFile memory(kMemoryDirectory, 0);
  expect_failure(open_ram(memory.path), EINVAL, "truncated");
  expect_failure(make_ram(0), EINVAL, "multiple");
  expect_failure(make_ram(kBlockBytes + 1), EINVAL, "multiple");
}

TEST(DiskOpen, ASizeThatIsNotInBlocksIsRoundedDown) {
  const TempFile file(disk_directory(), 3 * kBlockBytes - 1);
  const auto disk = open_uring(file.path, {});
  ASSERT_TRUE(disk.has_value()) << disk.error().message();
  EXPECT_EQ(2 * kBlockBytes, (*disk)->size_bytes());
}

TEST(DiskOpen, NoPermissionIsToldWithWhatToDo) {
  if (geteuid() == 0) GTEST_SKIP() << "root may open everything";
  const TempFile file(disk_directory(), kMiB);
  ASSERT_EQ(0, chmod(file.path.c_str(), 0));
  expect_failure(open_uring(file.path, {}), EACCES, "permission");
}

TEST(DiskOpen, MemoryDevicesBelongOnMemoryFileSystems) {
  const TempFile file("/var/tmp", kMiB);
  if (!file.reason.empty()) GTEST_SKIP() << file.reason;
  const auto disk = open_ram(file.path);
  if (disk.has_value()) GTEST_SKIP() << "/var/tmp is a memory file system here";
  expect_failure(disk, EINVAL, "/dev/shm");
}

TEST(DiskOpen, AMemoryDeviceLargerThanItsFileSystemIsAnErrorNotASignal) {
  const TempFile file(kMemoryDirectory, kTiB);
  if (!file.reason.empty()) GTEST_SKIP() << file.reason;
  expect_failure(open_ram(file.path), ENOSPC, "make the device smaller");
}

// The device loses its tail while open: a block that is there reads, one that is partly or wholly gone is an error.
TEST(DiskOpen, AFileCutShortUnderAnOpenDiskGivesErrorsNotWrongData) {
  for (const bool direct : {true, false}) {
    const TempFile file(disk_directory(), kMiB);
    auto disk = *open_uring(file.path, {.direct = direct});
    auto loop = *runtime::Loop::create();
    auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, 8 * kBlockBytes));
    struct Body {
      static runtime::Task<int> read(Disk& from, std::uint64_t at, std::span<std::byte> into) {
        Batch batch;
        Request request;
        batch.submit(from, request.read(at, into));
        co_return co_await batch;
      }
    };
    const std::span<std::byte> buffer(memory, 8 * kBlockBytes);
    ASSERT_EQ(0, truncate(file.path.c_str(), 2 * kBlockBytes + 1000));
    EXPECT_EQ(0, loop->block_on(Body::read(*disk, 0, buffer.first(2 * kBlockBytes))));
    EXPECT_EQ(-EIO, loop->block_on(Body::read(*disk, 0, buffer)));
    EXPECT_EQ(-EIO, loop->block_on(Body::read(*disk, 2 * kBlockBytes, buffer.first(kBlockBytes))));
    EXPECT_EQ(-EIO, loop->block_on(Body::read(*disk, 16 * kBlockBytes, buffer)));
    std::free(memory);
  }
}

// A process that writes as fast as it can until it is killed.
[[noreturn]] void write_for_ever(const std::string& path, int ready_fd) {
  auto disk = open_uring(path, {});
  if (!disk) _exit(1);
  auto loop = *runtime::Loop::create();
  constexpr std::size_t kSize = 64 * kKiB;
  std::vector<Request> requests(64);
  const runtime::Loop::Scope scope(*loop);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto* const data = static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, kSize));
    std::memset(data, 1, kSize);
    requests[i].write(i * kSize, {data, kSize});
    requests[i].done = [](runtime::Completion& completion, int) {
      auto& self = static_cast<Request&>(completion);
      static_cast<Disk*>(self.backend)->submit(*runtime::Loop::current(), self);
    };
    (*disk)->submit(*loop, requests[i]);
  }
  for (bool told = false;; told = true) {
    loop->wait();
    if (!told && write(ready_fd, "r", 1) != 1) _exit(1);
  }
}

TEST(DiskOpen, AKilledProcessInTheMiddleOfWritingLetsGoOfItsDevice) {
  const TempFile file(disk_directory(), 64 * 64 * kKiB);
  for (int round = 0; round < 10; ++round) {
    int ends[2];
    ASSERT_EQ(0, pipe2(ends, O_CLOEXEC));
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_for_ever(file.path, ends[1]);
    close(ends[1]);
    char byte = 0;
    ASSERT_EQ(1, read(ends[0], &byte, 1));
    close(ends[0]);
    ASSERT_EQ(0, kill(child, SIGKILL));
    int status = 0;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    const auto disk = open_uring(file.path, {});
    ASSERT_TRUE(disk.has_value()) << disk.error().message();
  }
}

}  // namespace
}  // namespace ross::disk::conformance
