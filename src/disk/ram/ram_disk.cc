#include "disk/ram/ram_disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "base/machine.h"
#include "base/units.h"
#include "disk/fd.h"
#include "memory/copy_bytes.h"

namespace ross::disk {
namespace {

constexpr std::uint64_t kHugeBytes = 2 * kMiB;

class RamDisk final : public Disk {
 public:
  // fd is the mapped file, held for its lock, or -1.
  RamDisk(std::byte* data, std::uint64_t size_bytes, int fd) : data_(data), size_bytes_(size_bytes), fd_(fd) {}
  ~RamDisk() override {
    munmap(data_, size_bytes_);
    if (fd_ >= 0) close(fd_);
  }

  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] std::size_t alignment_bytes() const override { return 1; }
  [[nodiscard]] std::byte* mapped() const override { return data_; }
  [[nodiscard]] int fd() const { return fd_; }

  void submit(runtime::Loop&, Request& request) override {
    if (!allowed(request)) return request.done(request, -EINVAL);
    if (request.size_bytes > 0) {
      std::byte* const at = data_ + request.offset_bytes;
      if (request.kind == Request::Kind::kRead) {
        memory::copy_bytes(request.data, at, request.size_bytes);
      } else {
        memory::copy_bytes(at, request.data, request.size_bytes);
      }
    }
    request.done(request, static_cast<int>(request.size_bytes));
  }

  Status flush() override { return {}; }

  void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) override {
    // A file keeps its pages: a later store into a hole of a full file system would be a SIGBUS.
    if (fd_ >= 0 || offset_bytes >= size_bytes_) return;
    // Whole pages, which may be larger than blocks: of the last one the kernel would take the neighbours' part, too.
    const std::uint64_t unit = std::max(kBlockBytes, page_bytes());
    const std::uint64_t end = round_down(offset_bytes + std::min(size_bytes, size_bytes_ - offset_bytes), unit);
    const std::uint64_t begin = round_up(offset_bytes, unit);
    if (begin < end) madvise(data_ + begin, end - begin, MADV_DONTNEED);
  }

 private:
  std::byte* const data_;
  const std::uint64_t size_bytes_;
  const int fd_;
};

#if !defined(MADV_COLLAPSE)
#define MADV_COLLAPSE 25  // Linux 6.1; Debian 12's headers are older than kernels it runs under
#endif

// Where the kernel can, a file's pages become huge ones, whatever the memory file system was mounted with: reads all over a
// device spend a good part of their time on finding small ones. It needs one page of each to be there.
void make_huge(std::byte* data, std::uint64_t size_bytes) {
  for (std::uint64_t at = 0; at + kHugeBytes <= size_bytes; at += kHugeBytes) {
    if (madvise(data + at, kBlockBytes, MADV_POPULATE_WRITE) != 0) return;
  }
  madvise(data, size_bytes, MADV_COLLAPSE);
}

// Maps a file where huge pages of it can be mapped as such.
std::byte* map_file(int fd, std::uint64_t size_bytes) {
  const std::uint64_t mapped_bytes = round_up(size_bytes, page_bytes());
  const std::uint64_t room_bytes = mapped_bytes + kHugeBytes;
  void* const room = mmap(nullptr, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(room);
  auto* const at = reinterpret_cast<std::byte*>(round_up(reinterpret_cast<std::uintptr_t>(room), kHugeBytes));
  const bool mapped = mmap(at, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
  const int error = errno;
  if (at > begin) munmap(begin, static_cast<std::size_t>(at - begin));
  std::byte* const end = mapped ? at + mapped_bytes : at;
  munmap(end, static_cast<std::size_t>(begin + room_bytes - end));
  errno = error;
  return mapped ? at : nullptr;
}

// Backs every page of the mapping with memory now, so that a full memory file system is an error here and not a
// SIGBUS at some later store; then the mapping lets go of them, and what the process never touches does not count as its
// resident memory.
Status back_with_memory(const std::string& path, int fd, std::byte* data, std::uint64_t size_bytes,
                        std::uint64_t backed_bytes) {
  const auto too_large = [&] {
    return Status(ENOSPC, fmt::format("'{}' needs {} MiB of memory and its file system has less: make the device "
                                      "smaller, or remove files from that file system",
                                      path, size_bytes / kMiB));
  };
  // Asked first, so that a size that cannot fit does not take the machine's memory until it fails.
  struct statfs about {};
  if (fstatfs(fd, &about) != 0) return Status(errno).with_context(fmt::format("cannot stat '{}'", path));
  if (size_bytes - backed_bytes > about.f_bavail * static_cast<std::uint64_t>(about.f_bsize)) return too_large();
  constexpr std::uint64_t kStepBytes = 256 * kMiB;
  for (std::uint64_t at = 0; at < size_bytes; at += kStepBytes) {
    const std::uint64_t step = std::min(kStepBytes, size_bytes - at);
    make_huge(data + at, step);
    int error = madvise(data + at, step, MADV_POPULATE_WRITE) == 0 ? 0 : errno;
    if (error == EINVAL) {  // a kernel before 5.14
      error = fallocate(fd, 0, static_cast<off_t>(at), static_cast<off_t>(step)) == 0 ? 0 : errno;
    }
    if (error == EFAULT || error == ENOSPC || error == ENOMEM) return too_large();
    if (error != 0) return Status(error).with_context(fmt::format("cannot allocate the memory of '{}'", path));
    madvise(data + at, step, MADV_DONTNEED);
  }
  return {};
}

bool is_memory_file_system(int fd) {
  struct statfs about {};
  if (fstatfs(fd, &about) != 0) return false;
  const auto type = static_cast<std::uint32_t>(about.f_type);
  return type == TMPFS_MAGIC || type == RAMFS_MAGIC || type == HUGETLBFS_MAGIC;
}

}  // namespace

Result<std::unique_ptr<Disk>> make_ram(std::uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes % kBlockBytes != 0) {
    return fail(EINVAL, fmt::format("a memory device of {} bytes: give a multiple of {}", size_bytes, kBlockBytes));
  }
  void* const data = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return fail(errno, fmt::format("cannot map {} MiB of memory: make the device smaller", size_bytes / kMiB));
  }
  madvise(data, size_bytes, MADV_HUGEPAGE);  // a hint: without it the device is only slower
  return std::make_unique<RamDisk>(static_cast<std::byte*>(data), size_bytes, -1);
}

Result<std::unique_ptr<Disk>> open_ram(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.value < 0) return fail(Status(errno).with_context(fmt::format("cannot open memory device '{}'", path)));
  struct stat about {};
  if (fstat(fd.value, &about) != 0) return fail(Status(errno).with_context(fmt::format("cannot stat '{}'", path)));
  if (!S_ISREG(about.st_mode) || !is_memory_file_system(fd.value)) {
    return fail(EINVAL, fmt::format("'{}' is not a file on a memory file system: put memory devices into /dev/shm, "
                                    "or use it as a device of kind file",
                                    path));
  }
  const std::uint64_t size_bytes = round_down(static_cast<std::uint64_t>(about.st_size), kBlockBytes);
  if (size_bytes == 0) {
    return fail(EINVAL, fmt::format("memory device '{}' is smaller than one block of {} bytes: was it truncated?", path,
                                    kBlockBytes));
  }
  if (flock(fd.value, LOCK_EX | LOCK_NB) != 0) {
    return fail(EBUSY,
                fmt::format("memory device '{}' is in use by another process or pool: close that one first", path));
  }
  std::byte* const data = map_file(fd.value, size_bytes);
  if (data == nullptr) {
    return fail(errno, fmt::format("cannot map the {} MiB of '{}'", size_bytes / kMiB, path));
  }
  madvise(data, size_bytes, MADV_HUGEPAGE);
  auto disk = std::make_unique<RamDisk>(data, size_bytes, fd.release());
  if (const std::uint64_t backed_bytes = static_cast<std::uint64_t>(about.st_blocks) * 512; backed_bytes < size_bytes) {
    const Status backed = back_with_memory(path, disk->fd(), disk->mapped(), size_bytes, backed_bytes);
    if (!backed.ok()) return fail(backed);
  }
  return disk;
}

}  // namespace ross::disk
