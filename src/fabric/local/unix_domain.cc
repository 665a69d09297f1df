#include "fabric/local/unix_domain.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <mutex>
#include <utility>

#include "fabric/local/socket.h"
#include "fabric/stream/stream_endpoint.h"

namespace ross::fabric::local {
namespace {

// Measured (docs/performance.md): a message beyond the socket's buffer goes by fits and starts, the pieces of a put do not.
constexpr std::size_t kInlineBytesMax = 32 * kKiB;

bool is_path(std::string_view address) {
  return address.starts_with('/') && !address.ends_with('/') && address.find('\0') == std::string_view::npos;
}

std::unexpected<Status> no_path(std::string_view address) {
  return fail(EINVAL, fmt::format("'{}' is no path of a socket: give it from the root on", address.substr(0, 200)));
}

class UnixDialer final : public stream::Dialer {
 public:
  explicit UnixDialer(std::string_view path) : path_(path) {}
  Result<Socket> next() override {
    if (std::exchange(tried_, true)) return fail(ECONNREFUSED, "the path has one place only");
    return start_connect_to(path_);
  }

 private:
  const std::filesystem::path path_;
  bool tried_ = false;
};

class UnixFamily final : public stream::Family {
 public:
  explicit UnixFamily(Socket listener) : listener_(std::move(listener)) {}
  Result<Listening> listen(const std::string& where) const override {
    Socket socket = take_listener();
    if (!socket) {
      ROSS_TRY(socket, take_place(where));
    }
    if (::fcntl(socket.fd(), F_SETFL, O_NONBLOCK) != 0) return fail(errno);
    return Listening{std::move(socket), where};
  }
  Result<std::unique_ptr<stream::Dialer>> dial(std::string_view address) const override {
    if (!is_path(address)) return no_path(address);
    return std::make_unique<UnixDialer>(address);
  }
  void tune(int) const override {}
  Result<Peer> peer(int fd) const override { return peer_of(fd); }
  std::string name(int fd) const override {
    const Result<Peer> peer = peer_of(fd);
    return peer.has_value() ? fmt::format("process {}", peer->pid) : "a process that has gone";
  }

 private:
  // Replaces what a process left there that has gone, and nothing else.
  static Result<Socket> take_place(const std::string& where) {
    if (!is_path(where)) return no_path(where);
    struct stat node {};
    if (::lstat(where.c_str(), &node) == 0) {
      if (!S_ISSOCK(node.st_mode)) return fail(EEXIST, fmt::format("{} is no socket", where));
      const Result<Socket> other = start_connect_to(where);
      if (other.has_value() || other.error().error() == EAGAIN) {
        return fail(EADDRINUSE, fmt::format("another process listens at {}", where));
      }
    }
    return listen_at(where);
  }
  Socket take_listener() const {
    const std::lock_guard lock(mutex_);
    return std::exchange(listener_, Socket());
  }
  mutable std::mutex mutex_;
  mutable Socket listener_;  // guarded by mutex_
};

class UnixDomain final : public Domain {
 public:
  explicit UnixDomain(Socket listener) : family_(std::move(listener)) {}
  const Traits& traits() const override { return traits_; }
  Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) override {
    return stream::StreamEndpoint::create(family_, loop, options);
  }
  Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) override {
    return stream::make_plain_region(memory);
  }

 private:
  const UnixFamily family_;
  const Traits traits_{.name = "unix", .same_machine_only = true, .inline_bytes_max = kInlineBytesMax};
};

}  // namespace

Result<std::unique_ptr<Domain>> make_domain(Options options) {
  return std::make_unique<UnixDomain>(std::move(options.listener));
}

}  // namespace ross::fabric::local
