#include "engine/pool_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/units.h"
#include "disk/ram/ram_disk.h"
#include "disk/uring/uring_disk.h"

namespace ross::engine {

namespace stdfs = std::filesystem;

namespace {

// Smaller than this a device holds nothing worth having.
constexpr std::uint64_t kDeviceBytesMin = 16 * kMiB;
constexpr std::uint64_t kDeviceBytesMax = std::uint64_t{1} << 50;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool ok() const { return fd_ >= 0; }

 private:
  const int fd_;
};

std::unexpected<Status> system_error(const stdfs::path& path, std::string_view doing, int error) {
  const char* const hint = error == EACCES || error == EPERM ? ": use the pool as its owner, or be given permission"
                           : error == ENOSPC                 ? ": make room on that file system"
                           : error == EROFS                  ? ": mount it for writing"
                                                             : "";
  return fail(error, fmt::format("{}: {} failed: {}{}", path.string(), doing, Status(error).message(), hint));
}

Result<std::string> read_some(const stdfs::path& path, std::size_t size_bytes) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return system_error(path, "opening", errno);
  std::string bytes(size_bytes, '\0');
  std::size_t have = 0;
  while (have < size_bytes) {
    const ssize_t got = ::pread(file.fd(), bytes.data() + have, size_bytes - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "reading", errno);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Status write_at_start(const stdfs::path& path, int fd, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::pwrite(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error(path, "writing", errno).error();
    done += static_cast<std::size_t>(put);
  }
  return ::fdatasync(fd) == 0 ? Status() : system_error(path, "flushing", errno).error();
}

Status sync_directory(const stdfs::path& directory) {
  const File file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.ok() || ::fsync(file.fd()) != 0) return system_error(directory, "flushing", errno).error();
  return {};
}

Result<std::uint64_t> size_of(const stdfs::path& path, int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return system_error(path, "looking at", errno);
  if (S_ISREG(status.st_mode)) return static_cast<std::uint64_t>(status.st_size);
  std::uint64_t bytes = 0;
  if (!S_ISBLK(status.st_mode))
    return fail(EINVAL, fmt::format("{}: neither a file nor a block device", path.string()));
  if (::ioctl(fd, BLKGETSIZE64, &bytes) != 0) return system_error(path, "asking for the size", errno);
  return bytes;
}

Status prewrite(const stdfs::path& path, int fd, std::uint64_t size_bytes) {
  const std::vector<std::byte> zeros(4 * kMiB);
  for (std::uint64_t at = 0; at < size_bytes;) {
    const ssize_t put =
        ::pwrite(fd, zeros.data(), std::min<std::uint64_t>(zeros.size(), size_bytes - at), static_cast<off_t>(at));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error(path, "writing", errno).error();
    at += static_cast<std::uint64_t>(put);
  }
  return ::fdatasync(fd) == 0 ? Status() : system_error(path, "flushing", errno).error();
}

Result<format::SuperblockDevice> make_device(const stdfs::path& directory, const DeviceSpec& spec, std::size_t index,
                                             const format::Uuid& uuid, bool prewrites) {
  format::SuperblockDevice device{.kind = spec.kind, .owned = false, .size_bytes = 0, .path = spec.path};
  if (device.path.empty()) {
    if (spec.kind == DeviceKind::kBlock) return fail(EINVAL, "a block device needs a path");
    device.path = spec.kind == DeviceKind::kFile ? fmt::format("data{}", index)
                                                 : fmt::format("/dev/shm/ross-{}-{}", format::uuid_text(uuid), index);
  } else if (!stdfs::path(device.path).is_absolute()) {
    std::error_code failed;
    device.path = stdfs::absolute(device.path, failed).string();
    if (failed) return fail(failed.value(), fmt::format("{}: the path does not resolve", spec.path));
  }
  if (device.path.size() > format::kDevicePathBytesMax) return fail(ENAMETOOLONG, "a device's path is too long");
  const stdfs::path path = device_path(directory, device);
  std::error_code error;
  const bool exists = stdfs::exists(path, error);
  if (!exists && spec.kind == DeviceKind::kBlock) return fail(ENOENT, fmt::format("{}: no such device", path.string()));
  if (exists && spec.path.empty()) return fail(EEXIST, fmt::format("{}: is there already: remove it", path.string()));
  if (exists) {
    auto old = read_some(path, format::kBlockBytes);
    if (!old) return fail(std::move(old).error());
    if (format::decode_device_header(*old)) {
      return fail(EEXIST, fmt::format("{}: is a device of a pool already: destroy that pool, or wipe the first 4 KiB",
                                      path.string()));
    }
  }
  const File file(::open(path.c_str(), O_RDWR | O_CLOEXEC | (exists ? 0 : O_CREAT | O_EXCL), 0600));
  if (!file.ok()) return system_error(path, "opening", errno);
  device.owned = !exists;
  const auto remove_made = [&](Status why) {
    if (device.owned) ::unlink(path.c_str());
    return fail(std::move(why));
  };
  std::uint64_t size = spec.size_bytes;
  if (exists) {
    auto real = size_of(path, file.fd());
    if (!real) return fail(std::move(real).error());
    if (size > *real) {
      return fail(EINVAL, fmt::format("{}: has {} bytes, fewer than the {} asked for", path.string(), *real, size));
    }
    if (size == 0) size = *real;
  }
  size = round_down(size, format::kBlockBytes);
  if (size < kDeviceBytesMin || size > kDeviceBytesMax) {
    return remove_made(
        Status(EINVAL, fmt::format("{}: a device has at least {} MiB and at most 1 PiB; this is {} bytes",
                                   path.string(), kDeviceBytesMin / kMiB, size)));
  }
  if (!exists && spec.kind == DeviceKind::kRam) {
    if (::ftruncate(file.fd(), static_cast<off_t>(size)) != 0) {
      return remove_made(system_error(path, "sizing", errno).error());
    }
    // Opening takes the memory, in huge pages.
    if (auto backed = disk::open_ram(path.string()); !backed) return remove_made(std::move(backed).error());
  } else if (!exists) {
    if (const int full = ::posix_fallocate(file.fd(), 0, static_cast<off_t>(size)); full != 0) {
      return remove_made(Status(full, fmt::format("{}: reserving {} MiB failed: {}: give the device a smaller size",
                                                  path.string(), size / kMiB, Status(full).message())));
    }
  }
  if (prewrites) {
    if (Status status = prewrite(path, file.fd(), size); !status.ok()) return remove_made(std::move(status));
  }
  device.size_bytes = size;
  const std::string header = format::encode(
      format::DeviceHeader{.uuid = uuid, .index = static_cast<std::uint32_t>(index), .size_bytes = size});
  if (Status status = write_at_start(path, file.fd(), header); !status.ok()) return remove_made(std::move(status));
  return device;
}

}  // namespace

Result<std::unique_ptr<PoolLock>> PoolLock::take(const stdfs::path& directory) {
  const stdfs::path path = directory / "lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return system_error(path, "opening", errno);
  std::unique_ptr<PoolLock> lock(new PoolLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error(path, "locking", errno);
    char holder[256] = {};
    [[maybe_unused]] const auto got = ::pread(fd, holder, sizeof holder - 1, 0);
    return fail(EBUSY, fmt::format("{}: the pool is in use by {}: stop that first, or go through it",
                                   directory.string(), holder[0] == '\0' ? "another process" : holder));
  }
  std::string program = "unknown";
  std::ifstream("/proc/self/comm") >> program;
  const std::string holder = fmt::format("{} (process {})", program, ::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, holder.data(), holder.size(), 0) < 0) {
    return system_error(path, "writing", errno);
  }
  return lock;
}

PoolLock::~PoolLock() {
  [[maybe_unused]] const int cleared = ::ftruncate(fd_, 0);
  ::close(fd_);
}

Result<format::Superblock> read_superblock(const stdfs::path& directory) {
  const stdfs::path path = directory / format::kSuperblockFile;
  std::error_code error;
  if (!stdfs::exists(directory, error) && !error) {
    return fail(ENOENT, fmt::format("{}: no such pool: make one with ross pool create", directory.string()));
  }
  auto bytes = read_some(path, format::kSuperblockBytes);
  if (!bytes && bytes.error().error() == ENOENT) {
    return fail(ENOENT, fmt::format("{}: is not a pool: make one with ross pool create", directory.string()));
  }
  if (!bytes) return fail(std::move(bytes).error());
  auto superblock = format::decode_superblock(*bytes);
  if (!superblock) return fail(superblock.error().with_context(directory.string()));
  return superblock;
}

Status write_superblock(const stdfs::path& directory, const format::Superblock& superblock) {
  const stdfs::path path = directory / format::kSuperblockFile;
  const stdfs::path draft = directory / (std::string(format::kSuperblockFile) + ".new");
  {
    const File file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.ok()) return system_error(draft, "opening", errno).error();
    ROSS_STATUS(write_at_start(draft, file.fd(), format::encode(superblock)));
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return system_error(path, "renaming", errno).error();
  return sync_directory(directory);
}

stdfs::path device_path(const stdfs::path& directory, const format::SuperblockDevice& device) {
  return directory / device.path;  // an absolute path stays itself
}

stdfs::path meta_path(const stdfs::path& directory) { return directory / "meta"; }

Result<std::vector<format::SuperblockDevice>> make_devices(const stdfs::path& directory, const PoolSpec& spec,
                                                           const format::Uuid& uuid) {
  if (spec.devices.empty()) return fail(EINVAL, "a pool needs a device: give it a size, or a device");
  if (spec.devices.size() > format::kDevicesMax) {
    return fail(EINVAL, fmt::format("a pool has at most {} devices", format::kDevicesMax));
  }
  std::vector<format::SuperblockDevice> made;
  for (std::size_t index = 0; index < spec.devices.size(); ++index) {
    auto device = make_device(directory, spec.devices[index], index, uuid, spec.prewrite);
    if (!device) {
      for (const auto& earlier : made) {
        [[maybe_unused]] const Status told_by_the_failure = release_device(directory, earlier, uuid);
      }
      return fail(std::move(device).error());
    }
    made.push_back(*std::move(device));
  }
  return made;
}

Result<std::unique_ptr<disk::Disk>> open_device(const stdfs::path& directory, const format::Superblock& superblock,
                                                std::size_t index) {
  const format::SuperblockDevice& device = superblock.devices[index];
  const stdfs::path path = device_path(directory, device);
  std::error_code error;
  if (!stdfs::exists(path, error)) {
    const char* const hint = device.kind == DeviceKind::kRam
                                 ? "memory devices do not outlive a reboot: destroy the pool and make it anew"
                                 : "bring the device back";
    return fail(ENODEV, fmt::format("{}: the pool's device is gone: {}", path.string(), hint));
  }
  ROSS_TRY(const std::string bytes, read_some(path, format::kBlockBytes));
  auto header = format::decode_device_header(bytes);
  if (!header) return fail(header.error().with_context(path.string()));
  if (header->uuid != superblock.uuid || header->index != index || header->size_bytes != device.size_bytes) {
    return fail(EINVAL,
                fmt::format("{}: is a device of another pool (or another one of this): see the pool's devices with "
                            "ross pool info",
                            path.string()));
  }
  std::unique_ptr<disk::Disk> disk;
  if (device.kind == DeviceKind::kRam) {
    ROSS_TRY(disk, disk::open_ram(path.string()));
  } else {
    ROSS_TRY(disk, disk::open_uring(path.string(), {}));
  }
  if (disk->size_bytes() < device.size_bytes) {
    return fail(EIO, fmt::format("{}: the device has {} bytes, the pool made it with {}: it was truncated or replaced",
                                 path.string(), disk->size_bytes(), device.size_bytes));
  }
  return disk;
}

Status release_device(const stdfs::path& directory, const format::SuperblockDevice& device, const format::Uuid& uuid) {
  const stdfs::path path = device_path(directory, device);
  std::error_code error;
  if (!stdfs::exists(path, error)) return {};
  auto start = read_some(path, format::kBlockBytes);
  if (!start) return std::move(start).error();
  const auto header = format::decode_device_header(*start);
  const bool ours = header && header->uuid == uuid;
  // A damaged file in the pool's own directory is still the pool's.
  const bool own_name = device.owned && stdfs::path(device.path).is_relative();
  if (!ours && (header || !own_name)) return {};
  if (device.owned) {
    return ::unlink(path.c_str()) == 0 ? Status() : system_error(path, "removing", errno).error();
  }
  const File file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.ok()) return system_error(path, "opening", errno).error();
  return write_at_start(path, file.fd(), std::string(format::kBlockBytes, '\0'));
}

}  // namespace ross::engine
