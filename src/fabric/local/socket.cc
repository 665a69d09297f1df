#include "fabric/local/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"

namespace ross::fabric {
namespace {

constexpr int kBacklog = 128;
constexpr std::size_t kGroupsMax = 65536;  // the kernel's own bound

std::unexpected<Status> failed(const std::filesystem::path& path, const char* what) {
  const int error = errno;
  return fail(error, fmt::format("cannot {} {}: {}", what, path.string(), Status(error).message()));
}

// An address for a path of any length, through the descriptor of its directory.
struct Place {
  Socket directory;
  sockaddr_un address{};
};

Result<Place> place_of(const std::filesystem::path& path) {
  Place place;
  place.directory = Socket(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!place.directory) return failed(path.parent_path(), "open the directory");
  const std::string name = fmt::format("/proc/self/fd/{}/{}", place.directory.fd(), path.filename().string());
  place.address.sun_family = AF_UNIX;
  if (name.size() >= sizeof place.address.sun_path) return fail(ENAMETOOLONG);
  std::memcpy(place.address.sun_path, name.c_str(), name.size() + 1);
  return place;
}

// Waits until the socket can do what events says. A status for a passed deadline.
Status wait_for(int fd, short events, std::int64_t deadline_ns) {
  for (;;) {
    const std::int64_t left_ns = deadline_ns - system_clock().monotonic_ns();
    if (left_ns <= 0) return Status(ETIMEDOUT, "the process at the other end does not answer");
    pollfd waiting{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left_ns / 1'000'000 + 1, 1000)));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return Status(errno);
  }
}

Result<Socket> connect_with(const std::filesystem::path& path, int flags) {
  ROSS_TRY(const Place place, place_of(path));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!socket) return failed(path, "make a socket for");
  const auto* address = reinterpret_cast<const sockaddr*>(&place.address);
  if (::connect(socket.fd(), address, sizeof place.address) != 0) return failed(path, "connect to");
  return socket;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Socket> listen_at(const std::filesystem::path& path) {
  ROSS_TRY(const Place place, place_of(path));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return failed(path, "make a socket for");
  if (::unlinkat(place.directory.fd(), path.filename().c_str(), 0) != 0 && errno != ENOENT) {
    return failed(path, "replace");
  }
  // A socket's node takes its mode from the descriptor's: no moment in which others may connect.
  if (::fchmod(socket.fd(), 0600) != 0) return failed(path, "restrict");
  const auto* address = reinterpret_cast<const sockaddr*>(&place.address);
  if (::bind(socket.fd(), address, sizeof place.address) != 0) return failed(path, "bind");
  if (::listen(socket.fd(), kBacklog) != 0) return failed(path, "listen at");
  return socket;
}

Result<Socket> connect_to(const std::filesystem::path& path) { return connect_with(path, 0); }

Result<Socket> start_connect_to(const std::filesystem::path& path) { return connect_with(path, SOCK_NONBLOCK); }

Result<Peer> peer_of(int fd) {
  ucred credential{};
  socklen_t size = sizeof credential;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credential, &size) != 0) {
    return fail(errno, "cannot tell who is at the other end of a socket");
  }
  Peer peer{.pid = credential.pid, .uid = credential.uid, .gid = credential.gid, .groups = {}};
  std::vector<gid_t> groups(64);
  while (groups.size() <= kGroupsMax) {
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      peer.groups = std::move(groups);
      return peer;
    }
    if (errno != ERANGE) return peer;  // a kernel that cannot tell: then the peer has its primary group only
    groups.resize(std::max<std::size_t>(groups.size() * 2, size / sizeof(gid_t)));
  }
  return peer;
}

Status send_all(int fd, const void* data, std::size_t size_bytes, std::int64_t deadline_ns) {
  const auto* from = static_cast<const char*>(data);
  while (size_bytes > 0) {
    ROSS_STATUS(wait_for(fd, POLLOUT, deadline_ns));
    const ssize_t sent = ::send(fd, from, size_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return Status(errno);
    from += sent;
    size_bytes -= static_cast<std::size_t>(sent);
  }
  return {};
}

Status receive_all(int fd, void* data, std::size_t size_bytes, std::int64_t deadline_ns) {
  auto* to = static_cast<char*>(data);
  while (size_bytes > 0) {
    ROSS_STATUS(wait_for(fd, POLLIN, deadline_ns));
    const ssize_t got = ::recv(fd, to, size_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return Status(errno);
    if (got == 0) return Status(ECONNRESET, "the process at the other end has gone");
    to += got;
    size_bytes -= static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace ross::fabric
