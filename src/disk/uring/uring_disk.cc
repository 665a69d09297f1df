#include "disk/uring/uring_disk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>

#include "base/log.h"
#include "base/units.h"
#include "disk/fd.h"

namespace ross::disk {
namespace {

// A transfer that makes no progress is tried this often: the kernel's reasons for EAGAIN, EINTR and ECANCELED pass.
constexpr unsigned kTriesMax = 64;

class UringDisk final : public Disk {
 public:
  struct About {
    std::string path;
    std::uint64_t size_bytes = 0;
    std::size_t alignment_bytes = 1;
    bool block_device = false;
  };
  UringDisk(Fd fd, About about) : about_(std::move(about)), fd_(std::move(fd)), discards_(about_.block_device) {}

  [[nodiscard]] std::uint64_t size_bytes() const override { return about_.size_bytes; }
  [[nodiscard]] std::size_t alignment_bytes() const override { return about_.alignment_bytes; }

  void submit(runtime::Loop& loop, Request& request) override {
    if (!allowed(request)) return request.done(request, -EINVAL);
    if (request.size_bytes == 0) return request.done(request, 0);
    if (const auto ring = loop.ring(); !ring) return request.done(request, -ring.error().error());
    request.backend = this;
    request.caller_done = std::exchange(request.done, &UringDisk::progressed);
    request.moved_bytes = 0;
    request.tries = 0;
    queue(loop, request);
  }

  Status flush() override {
    if (const int earlier = flush_error_.load(std::memory_order_acquire); earlier != 0) return flush_failed(earlier);
    int result = 0;
    do {
      result = fdatasync(fd_.value);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return {};
    const int error = errno;
    flush_error_.store(error, std::memory_order_release);
    const Status status = flush_failed(error);
    log().error("{}", status.message());
    return status;
  }

  void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) override {
    if (!discards_.load(std::memory_order_relaxed) || offset_bytes >= about_.size_bytes) return;
    const std::uint64_t end =
        round_down(offset_bytes + std::min(size_bytes, about_.size_bytes - offset_bytes), kBlockBytes);
    const std::uint64_t begin = round_up(offset_bytes, kBlockBytes);
    if (begin >= end) return;
    std::uint64_t range[2] = {begin, end - begin};
    if (ioctl(fd_.value, BLKDISCARD, range) != 0 && errno == EOPNOTSUPP) discards_ = false;
  }

 private:
  void queue(runtime::Loop& loop, Request& request) {
    io_uring_sqe* const sqe = loop.next_sqe(request);
    std::byte* const data = request.data + request.moved_bytes;
    const auto size = static_cast<unsigned>(request.size_bytes - request.moved_bytes);
    const std::uint64_t offset = request.offset_bytes + request.moved_bytes;
    if (request.kind == Request::Kind::kRead) {
      io_uring_prep_read(sqe, fd_.value, data, size, offset);
    } else {
      io_uring_prep_write(sqe, fd_.value, data, size, offset);
    }
  }

  static void progressed(runtime::Completion& completion, int result) {
    auto& request = static_cast<Request&>(completion);
    auto& disk = *static_cast<UringDisk*>(request.backend);
    const std::size_t left = request.size_bytes - request.moved_bytes;
    if (result >= 0 && static_cast<std::size_t>(result) == left) [[likely]] {
      return disk.finish(request, static_cast<int>(request.size_bytes));
    }
    if (result == 0) return disk.finish(request, -EIO);  // the device has become smaller
    if (result > 0) {
      // O_DIRECT cannot go on from inside a block: that block is moved again.
      const std::size_t moved = round_down(request.moved_bytes + static_cast<std::size_t>(result), kBlockBytes);
      request.tries = moved > request.moved_bytes ? 0 : request.tries + 1;
      request.moved_bytes = moved;
      result = -EIO;
    } else if (result == -EAGAIN || result == -EINTR || result == -ECANCELED) {
      // ECANCELED: the thread that submitted has ended, and its part of the work with it.
      ++request.tries;
    } else {
      return disk.finish(request, result);
    }
    if (request.tries >= kTriesMax) return disk.finish(request, result);
    disk.queue(*runtime::Loop::current(), request);
  }

  void finish(Request& request, int result) {
    request.done = std::exchange(request.caller_done, nullptr);
    if (result < 0 && !told_.exchange(true, std::memory_order_relaxed)) {
      log().error("device '{}': {} of {} bytes at {} failed: {}; later failures of this device are not logged",
                  about_.path, request.kind == Request::Kind::kRead ? "read" : "write", request.size_bytes,
                  request.offset_bytes, Status(-result).message());
    }
    request.done(request, result);
  }

  [[nodiscard]] Status flush_failed(int error) const {
    return Status(error, fmt::format("device '{}' failed to make its writes durable ({}): check the device, then open "
                                     "the pool again",
                                     about_.path, Status(error).message()));
  }

  const About about_;
  const Fd fd_;
  std::atomic<bool> discards_;
  std::atomic<bool> told_{false};
  std::atomic<int> flush_error_{0};
};

// Reads the first block into an address that is a multiple of alignment_bytes and of nothing larger.
int probe(int fd, std::size_t alignment_bytes) {
  alignas(kBlockBytes) std::byte buffer[3 * kBlockBytes];
  std::byte* const at = buffer + alignment_bytes;
  ssize_t got = 0;
  do {
    got = pread(fd, at, kBlockBytes, 0);
  } while (got < 0 && errno == EINTR);
  return got < 0 ? errno : 0;
}

// What O_DIRECT wants of a buffer's address, or 0 where it does not work.
std::size_t direct_alignment(int fd) {
  std::size_t alignment = 512;
#ifdef STATX_DIOALIGN
  struct statx about {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &about) == 0 && (about.stx_mask & STATX_DIOALIGN) != 0) {
    if (about.stx_dio_offset_align == 0 || about.stx_dio_offset_align > kBlockBytes) return 0;
    if (std::has_single_bit(about.stx_dio_mem_align)) alignment = about.stx_dio_mem_align;
  }
#endif
  if (alignment > kBlockBytes) return 0;
  if (probe(fd, alignment) != EINVAL) return alignment;
  return probe(fd, kBlockBytes) != EINVAL ? kBlockBytes : 0;
}

Status open_failed(const std::string& path, int error) {
  const char* todo = "";
  if (error == ENOENT) todo = ": is the disk mounted and the path right?";
  if (error == EACCES || error == EPERM) todo = ": give this user read and write permission on it";
  if (error == EBUSY) todo = ": it is mounted or in use by another program; unmount or stop that first";
  if (error == EROFS) todo = ": its file system is mounted read-only";
  if (error == EMFILE || error == ENFILE) todo = ": raise the open file limit (ulimit -n)";
  return Status(error, fmt::format("cannot open device '{}' ({}){}", path, Status(error).message(), todo));
}

// Opens and locks, without O_DIRECT where the file system knows none. Busy is asked again until lock_wait_ms have passed.
Result<Fd> open_locked(const std::string& path, int flags, bool& direct, std::int64_t lock_wait_ms) {
  constexpr std::int64_t kStepMs = 5;
  for (std::int64_t waited_ms = 0;; waited_ms += kStepMs) {
    Fd fd(open(path.c_str(), flags | (direct ? O_DIRECT : 0)));
    if (fd.value < 0 && errno == EINVAL && direct) {
      direct = false;
      fd = Fd(open(path.c_str(), flags));
    }
    if (fd.value < 0 && errno != EBUSY) return fail(open_failed(path, errno));
    if (fd.value >= 0 && flock(fd.value, LOCK_EX | LOCK_NB) == 0) return fd;
    if (waited_ms >= lock_wait_ms) {
      if (fd.value < 0) return fail(open_failed(path, EBUSY));
      return fail(EBUSY, fmt::format("device '{}' is in use by another process or pool: close that one first", path));
    }
    usleep(kStepMs * 1000);
  }
}

}  // namespace

Result<std::unique_ptr<Disk>> open_uring(const std::string& path, UringOptions options) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) return fail(open_failed(path, errno));
  const bool block_device = S_ISBLK(about.st_mode);
  if (!block_device && !S_ISREG(about.st_mode)) {
    return fail(EINVAL, fmt::format("'{}' is neither a file nor a block device: name one of these as device", path));
  }
  // O_EXCL on a block device: refused while a file system is mounted from it.
  const int flags = O_RDWR | O_CLOEXEC | (block_device ? O_EXCL : 0);
  bool direct = options.direct;
  ROSS_TRY(Fd fd, open_locked(path, flags, direct, options.lock_wait_ms));
  auto size_bytes = static_cast<std::uint64_t>(about.st_size);
  if (block_device && ioctl(fd.value, BLKGETSIZE64, &size_bytes) != 0) return fail(open_failed(path, errno));
  size_bytes = round_down(size_bytes, kBlockBytes);
  if (size_bytes == 0) {
    return fail(EINVAL,
                fmt::format("device '{}' is smaller than one block of {} bytes: was it truncated?", path, kBlockBytes));
  }
  std::size_t alignment = direct ? direct_alignment(fd.value) : 1;
  if (alignment == 0) {
    direct = false;
    alignment = 1;
    const int now = fcntl(fd.value, F_GETFL);
    if (now < 0 || fcntl(fd.value, F_SETFL, now & ~O_DIRECT) != 0) return fail(open_failed(path, errno));
  }
  if (options.direct && !direct) {
    log().warn("device '{}': its file system does not allow O_DIRECT, so data goes through the page cache", path);
  }
  return std::make_unique<UringDisk>(
      std::move(fd),
      UringDisk::About{
          .path = path, .size_bytes = size_bytes, .alignment_bytes = alignment, .block_device = block_device});
}

}  // namespace ross::disk
