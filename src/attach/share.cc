#include "attach/share.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "attach/remote_pool.h"
#include "base/clock.h"
#include "client/session.h"

namespace ross::attach {
namespace {

namespace stdfs = std::filesystem;

constexpr std::int64_t kGreetingNs = 30'000'000'000;     // in the holder's line, while it opens the pool
constexpr std::int64_t kDirectOpenerNs = 2'000'000'000;  // how long a holder that does not share may take to go
constexpr std::chrono::milliseconds kPauseFirst{1};
constexpr std::chrono::milliseconds kPauseMax{50};

stdfs::path socket_path(const stdfs::path& directory) { return directory / "share.sock"; }

// The lock on share.lock: of the process, not inherited by fork(), gone when the process dies.
class ShareLock {
 public:
  ShareLock() = default;
  ShareLock(ShareLock&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}
  ShareLock& operator=(ShareLock&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~ShareLock() {
    if (fd_ < 0) return;
    // Removed while it is still locked: who opens the name from now on makes a new file.
    ::unlink(path_.c_str());
    ::close(fd_);
  }
  [[nodiscard]] bool held() const { return fd_ >= 0; }

  // A lock that is not held() when another process has it.
  static Result<ShareLock> try_take(const stdfs::path& directory) {
    const stdfs::path path = directory / "share.lock";
    constexpr int kTriesMax = 100;  // each lost to a holder that left at that moment
    for (int tries = 0; tries < kTriesMax; ++tries) {
      ShareLock lock;
      const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
      if (fd < 0) return fail(errno, fmt::format("cannot open {}: {}", path.string(), Status(errno).message()));
      struct flock whole {};
      whole.l_type = F_WRLCK;
      whole.l_whence = SEEK_SET;
      if (::fcntl(fd, F_SETLK, &whole) != 0) {
        const int error = errno;
        ::close(fd);
        if (error == EACCES || error == EAGAIN) return lock;
        return fail(error, fmt::format("cannot lock {}: {}", path.string(), Status(error).message()));
      }
      // Locked, but perhaps a file whose name the last holder has just removed.
      struct stat named {};
      struct stat locked {};
      if (::stat(path.c_str(), &named) == 0 && ::fstat(fd, &locked) == 0 && named.st_ino == locked.st_ino &&
          named.st_dev == locked.st_dev) {
        lock.path_ = path;
        lock.fd_ = fd;
        return lock;
      }
      ::close(fd);
    }
    return fail(EAGAIN, "other processes open and close the pool all the time: try again", Retry::kNow);
  }

 private:
  stdfs::path path_;
  int fd_ = -1;
};

// A pool of this process that others use, too.
class HostedPool final : public engine::Pool {
 public:
  HostedPool(ShareLock lock, stdfs::path directory, std::unique_ptr<engine::Pool> pool,
             std::unique_ptr<client::Hosting> hosting)
      : lock_(std::move(lock)),
        directory_(std::move(directory)),
        pool_(std::move(pool)),
        hosting_(std::move(hosting)),
        pid_(::getpid()) {}
  ~HostedPool() override {
    if (pool_ == nullptr) return;
    hosting_.reset();  // nobody uses the pool from outside any more
    pool_.reset();
    leave();
  }

  Status create_container(std::string_view name, const engine::ContainerOptions& options) override {
    return pool_->create_container(name, options);
  }
  Status set_container(std::string_view name, const engine::ContainerOptions& options) override {
    return pool_->set_container(name, options);
  }
  Status destroy_container(std::string_view name) override { return pool_->destroy_container(name); }
  std::vector<engine::ContainerInfo> containers() override { return pool_->containers(); }
  Result<engine::ContainerInfo> container(std::string_view name) override { return pool_->container(name); }
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) override {
    return pool_->open_container(name);
  }
  engine::PoolInfo info() override { return pool_->info(); }
  engine::Clients* clients() override { return pool_->clients(); }
  Status sync() override { return pool_->sync(); }
  Status close() override {
    if (pool_ == nullptr) return {};
    hosting_->finish();
    hosting_.reset();
    Status status = pool_->close();
    pool_.reset();
    leave();
    return status;
  }

 private:
  void leave() {
    if (pid_ == ::getpid()) ::unlink(socket_path(directory_).c_str());
    lock_ = ShareLock();
  }

  ShareLock lock_;
  const stdfs::path directory_;
  std::unique_ptr<engine::Pool> pool_;  // null after close
  std::unique_ptr<client::Hosting> hosting_;
  const pid_t pid_;
};

Result<std::unique_ptr<engine::Pool>> hold(ShareLock lock, const stdfs::path& directory,
                                           const engine::PoolOptions& options, const Share& share,
                                           const OpenPool& open) {
  // Listening comes first, so that others line up instead of trying again and again.
  ROSS_TRY(fabric::Socket listener, fabric::listen_at(socket_path(directory)));
  const auto leave = [&directory](Status status) {
    ::unlink(socket_path(directory).c_str());
    return fail(std::move(status));
  };
  const std::int64_t begin_ns = system_clock().monotonic_ns();
  Result<std::unique_ptr<engine::Pool>> pool = open(directory, options);
  // A process that does not share has it, or one that was killed and is not quite gone.
  while (!pool.has_value() && pool.error().error() == EBUSY &&
         system_clock().monotonic_ns() - begin_ns < kDirectOpenerNs) {
    std::this_thread::sleep_for(kPauseMax);
    pool = open(directory, options);
  }
  if (!pool.has_value()) return leave(std::move(pool).error());
  Result<std::unique_ptr<client::Hosting>> hosting = share(**pool, std::move(listener), directory.string());
  if (!hosting.has_value()) return leave(std::move(hosting).error());
  return std::make_unique<HostedPool>(std::move(lock), directory, *std::move(pool), *std::move(hosting));
}

// Whether the holder may just be coming or going.
bool worth_another_try(int error) {
  return error == ENOENT || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE || error == EAGAIN ||
         error == ESHUTDOWN;
}

}  // namespace

Result<std::unique_ptr<engine::Pool>> open_shared(const stdfs::path& directory, const engine::PoolOptions& options,
                                                  const Share& share, const OpenPool& open) {
  const std::int64_t deadline_ns = system_clock().monotonic_ns() + kMeetingNs;
  // What is no pool is told by the engine, and gets no files from us.
  if (!stdfs::is_directory(directory)) return open(directory, options);
  for (std::chrono::milliseconds pause = kPauseFirst;; pause = std::min(pause * 2, kPauseMax)) {
    Result<ShareLock> lock = ShareLock::try_take(directory);
    // Where we may not write there is nothing to share: the engine says what it thinks of that.
    if (!lock.has_value() && (lock.error().error() == EACCES || lock.error().error() == EROFS)) {
      return open(directory, options);
    }
    if (!lock.has_value()) return fail(std::move(lock).error());
    if (lock->held()) return hold(*std::move(lock), directory, options, share, open);
    const std::int64_t greeting_ns = std::min(deadline_ns, system_clock().monotonic_ns() + kGreetingNs);
    Result<std::unique_ptr<client::Session>> session = client::Session::connect(socket_path(directory), greeting_ns);
    if (session.has_value()) return make_remote_pool(*std::move(session));
    if (!worth_another_try(session.error().error())) return fail(std::move(session).error());
    if (system_clock().monotonic_ns() > deadline_ns) {
      return fail(ETIMEDOUT, fmt::format("{}: another process holds the pool and does not answer: {}",
                                         directory.string(), session.error().message()));
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace ross::attach
