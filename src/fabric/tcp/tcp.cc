#include "fabric/tcp/tcp.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "fabric/stream/stream_endpoint.h"
#include "fabric/tcp/address.h"
#include "fabric/tcp/lookup.h"

namespace ross::fabric::tcp {
namespace {

constexpr int kBacklog = 1024;
// Measured (docs/performance.md): what arrives is received where it belongs either way, and a window costs requests more.
constexpr std::size_t kInlineBytesMax = SIZE_MAX;

template <class T>
void set_option(int fd, int level, int name, T value) {
  // Each of them only makes things better: a kernel that refuses one runs without it.
  static_cast<void>(::setsockopt(fd, level, name, &value, sizeof value));
}

// Connects to places in turn, after looking up a name if there is one.
class TcpDialer final : public stream::Dialer {
 public:
  TcpDialer(std::unique_ptr<Lookup> lookup, std::vector<Place> places)
      : lookup_(std::move(lookup)), places_(std::move(places)) {}

  int fd() const override { return lookup_ != nullptr ? lookup_->fd() : -1; }

  Result<Socket> next() override {
    if (lookup_ != nullptr && places_.empty()) {
      ROSS_TRY(places_, lookup_->take());
    }
    Status why(EHOSTUNREACH, "the host's name stands for no address that can be used");
    while (at_ < places_.size()) {
      const Place& place = places_[at_++];
      Socket socket(::socket(place.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
      if (!socket) {
        why = Status(errno, "cannot make a socket: " + Status(errno).message());
        continue;
      }
      if (::connect(socket.fd(), place.get(), place.size) == 0 || errno == EINPROGRESS) return socket;
      why = Status(errno, fmt::format("cannot connect to {}: {}", to_text(place), Status(errno).message()));
    }
    return fail(std::move(why));
  }

 private:
  const std::unique_ptr<Lookup> lookup_;
  std::vector<Place> places_;
  std::size_t at_ = 0;
};

class TcpFamily final : public stream::Family {
 public:
  explicit TcpFamily(Options options) : options_(std::move(options)) {}

  Result<Listening> listen(const std::string& where) const override {
    ROSS_TRY(const HostPort wanted, parse(where));
    std::optional<Place> place = numeric(wanted);
    if (!place.has_value()) {
      return fail(EINVAL,
                  fmt::format("'{}' cannot be listened at: give an address of this machine as a number", where));
    }
    const auto failed = [&](const char* what) {
      return fail(errno, fmt::format("cannot {} {}: {}", what, where, Status(errno).message()));
    };
    Socket socket(::socket(place->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    if (!socket) return failed("make a socket for");
    // A server that starts again need not wait for the old connections to be forgotten.
    set_option(socket.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (place->storage.ss_family == AF_INET6) set_option(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    set_buffers(socket.fd());  // before a connection settles how far its window scales
    if (::bind(socket.fd(), place->get(), place->size) != 0) return failed("bind");
    if (::listen(socket.fd(), kBacklog) != 0) return failed("listen at");
    place->size = sizeof place->storage;
    if (::getsockname(socket.fd(), place->get(), &place->size) != 0) return failed("name");
    const bool advertised = is_wildcard(*place) && !options_.advertise.empty();
    std::string address = advertised ? to_text(HostPort{options_.advertise, port_of(*place)}) : to_text(*place);
    return Listening{std::move(socket), std::move(address)};
  }

  Result<std::unique_ptr<stream::Dialer>> dial(std::string_view address) const override {
    ROSS_TRY(const HostPort wanted, parse(address));
    if (wanted.port == 0) return fail(EINVAL, fmt::format("'{}' has no port to connect to", address));
    if (const std::optional<Place> place = numeric(wanted); place.has_value()) {
      return std::make_unique<TcpDialer>(nullptr, std::vector{*place});
    }
    ROSS_TRY(std::unique_ptr<Lookup> lookup, Lookup::start(wanted));
    return std::make_unique<TcpDialer>(std::move(lookup), std::vector<Place>{});
  }

  void tune(int fd) const override {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);  // what should travel together is sent together
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMs);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleS);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalS);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes);
    set_buffers(fd);
  }

  // The other end of a network: the kernel cannot tell.
  Result<Peer> peer(int) const override {
    return Peer{.pid = 0, .uid = static_cast<uid_t>(-1), .gid = static_cast<gid_t>(-1), .groups = {}};
  }

  std::string name(int fd) const override {
    Place place;
    place.size = sizeof place.storage;
    if (::getpeername(fd, place.get(), &place.size) != 0) return "a peer that has gone";
    return to_text(place);
  }

 private:
  void set_buffers(int fd) const {
    if (options_.send_buffer_bytes > 0) set_option(fd, SOL_SOCKET, SO_SNDBUF, options_.send_buffer_bytes);
    if (options_.receive_buffer_bytes > 0) set_option(fd, SOL_SOCKET, SO_RCVBUF, options_.receive_buffer_bytes);
  }
  const Options options_;
};

class TcpDomain final : public Domain {
 public:
  explicit TcpDomain(const Options& options) : family_(options) {}
  const Traits& traits() const override { return traits_; }
  Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) override {
    return stream::StreamEndpoint::create(family_, loop, options);
  }
  Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) override {
    return stream::make_plain_region(memory);
  }

 private:
  const TcpFamily family_;
  const Traits traits_{.name = "tcp", .inline_bytes_max = kInlineBytesMax};
};

}  // namespace

Result<std::unique_ptr<Domain>> make_domain(const Options& options) {
  if (!options.advertise.empty() && !parse(to_text(HostPort{options.advertise, 1})).has_value()) {
    return fail(EINVAL, fmt::format("'{}' is no host to advertise: give it without a port", options.advertise));
  }
  if (options.send_buffer_bytes < 0 || options.receive_buffer_bytes < 0) {
    return fail(EINVAL, "the buffers of a socket have no negative size");
  }
  return std::make_unique<TcpDomain>(options);
}

}  // namespace ross::fabric::tcp
