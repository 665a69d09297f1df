#include "backends.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "disk/ram/ram_disk.h"
#include "disk/sim/sim_disk.h"
#include "disk/uring/uring_disk.h"

namespace ross::disk::conformance {
namespace {

void take(Instance& instance, Result<std::unique_ptr<Disk>> disk) {
  ROSS_CHECK(disk.has_value(), disk ? "" : disk.error().message());
  instance.disk = *std::move(disk);
}

Instance make_file(std::uint64_t size_bytes, bool direct) {
  Instance instance;
  instance.file = std::make_unique<TempFile>(disk_directory(), size_bytes);
  instance.skip = instance.file->reason;
  if (!instance.skip.empty()) return instance;
  instance.reopen = [path = instance.file->path, direct] {
    return open_uring(path, {.direct = direct, .lock_wait_ms = 20});
  };
  take(instance, instance.reopen());
  return instance;
}

// A loop device over a file: the block device every machine has, for those who may make one.
Instance make_block_device(std::uint64_t size_bytes) {
  Instance instance;
  instance.file = std::make_unique<TempFile>(disk_directory(), size_bytes);
  instance.skip = instance.file->reason;
  if (!instance.skip.empty()) return instance;
  const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  const int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
  const std::string path = "/dev/loop" + std::to_string(number);
  const int device = number < 0 ? -1 : open(path.c_str(), O_RDWR | O_CLOEXEC);
  const int file = open(instance.file->path.c_str(), O_RDWR | O_CLOEXEC);
  if (device < 0 || ioctl(device, LOOP_SET_FD, file) != 0) {
    instance.skip = std::string("no loop device can be made here: ") + std::strerror(errno);
  }
  if (control >= 0) close(control);
  if (file >= 0) close(file);
  if (!instance.skip.empty()) {
    if (device >= 0) close(device);
    return instance;
  }
  instance.cleanup = [device] {
    ioctl(device, LOOP_CLR_FD);
    close(device);
  };
  instance.reopen = [path] { return open_uring(path, {.lock_wait_ms = 20}); };
  take(instance, instance.reopen());
  return instance;
}

Instance make_private_memory(std::uint64_t size_bytes) {
  Instance instance;
  take(instance, make_ram(size_bytes));
  return instance;
}

Instance make_shared_memory(std::uint64_t size_bytes) {
  Instance instance;
  instance.file = std::make_unique<TempFile>(kMemoryDirectory, size_bytes);
  instance.skip = instance.file->reason;
  if (!instance.skip.empty()) return instance;
  instance.reopen = [path = instance.file->path] { return open_ram(path); };
  take(instance, instance.reopen());
  return instance;
}

Instance make_simulated(std::uint64_t size_bytes, std::int64_t delay_ns_max) {
  Instance instance;
  instance.clock = std::make_unique<SimClock>();
  instance.disk =
      std::make_unique<SimDisk>(SimOptions{.size_bytes = size_bytes, .delay_ns_max = delay_ns_max}, 20260701);
  return instance;
}

}  // namespace

TempFile::TempFile(const std::string& directory, std::uint64_t size_bytes) {
  std::string name = directory + "/ross-disk-XXXXXX";
  const int fd = mkstemp(name.data());
  if (fd < 0) {
    reason = "no file can be made in " + directory + ": " + std::strerror(errno);
    return;
  }
  path = name;
  if (ftruncate(fd, static_cast<off_t>(size_bytes)) != 0) reason = std::string("ftruncate: ") + std::strerror(errno);
  close(fd);
}

TempFile::~TempFile() {
  if (!path.empty()) unlink(path.c_str());
}

Instance::~Instance() {
  disk.reset();
  if (cleanup) cleanup();
}

std::string disk_directory() { return std::filesystem::temp_directory_path().string(); }

std::vector<Backend> backends() {
  return {
      {"uring_direct", [](std::uint64_t size) { return make_file(size, true); }},
      {"uring_buffered", [](std::uint64_t size) { return make_file(size, false); }},
      {"uring_block", make_block_device},
      {"ram_private", make_private_memory},
      {"ram_shared", make_shared_memory},
      {"sim", [](std::uint64_t size) { return make_simulated(size, 0); }},
      {"sim_delayed", [](std::uint64_t size) { return make_simulated(size, 1'000'000); }},
  };
}

}  // namespace ross::disk::conformance
