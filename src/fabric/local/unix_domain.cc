#include "fabric/local/unix_domain.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>
#include <mutex>
#include <utility>

#include "fabric/local/socket.h"
#include "fabric/stream/stream_endpoint.h"

namespace ross::fabric::local {
namespace {

constexpr std::size_t kInlineBytesMax = 16 * kKiB;

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
      ROSS_TRY(socket, listen_at(std::filesystem::absolute(where)));
    }
    if (::fcntl(socket.fd(), F_SETFL, O_NONBLOCK) != 0) return fail(errno);
    return Listening{std::move(socket), std::filesystem::absolute(where).string()};
  }
  Result<std::unique_ptr<stream::Dialer>> dial(std::string_view address) const override {
    if (!address.starts_with('/') || address.find('\0') != std::string_view::npos || address.ends_with('/')) {
      return fail(EINVAL, fmt::format("'{}' is no path of a socket: give it from the root on", address));
    }
    return std::make_unique<UnixDialer>(address);
  }
  void tune(int) const override {}
  Result<Peer> peer(int fd) const override { return peer_of(fd); }
  std::string name(int fd) const override {
    const Result<Peer> peer = peer_of(fd);
    return peer.has_value() ? fmt::format("process {}", peer->pid) : "a process that has gone";
  }

 private:
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
