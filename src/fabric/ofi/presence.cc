#include "fabric/ofi/presence.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace ross::fabric::ofi {
namespace {

struct Abstract {
  sockaddr_un address{};
  socklen_t size = 0;
};

Result<Abstract> abstract_address(const std::string& name) {
  Abstract made;
  made.address.sun_family = AF_UNIX;
  if (name.size() + 1 > sizeof made.address.sun_path) return fail(ENAMETOOLONG, "the name of an endpoint is too long");
  std::memcpy(made.address.sun_path + 1, name.data(), name.size());
  made.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return made;
}

bool broken(int fd) {
  pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR | POLLIN)) != 0;
}

}  // namespace

Result<Presence> Presence::announce(const std::string& name) {
  ROSS_TRY(const Abstract at, abstract_address(name));
  Presence presence;
  presence.listening_ = Socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!presence.listening_) return fail(errno, "cannot make a socket");
  const int fd = presence.listening_.fd();
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&at.address), at.size) != 0) {
    return fail(errno, fmt::format("an endpoint named {} is there already", name));
  }
  if (::listen(fd, SOMAXCONN) != 0) return fail(errno, "cannot listen at a Unix socket");
  return presence;
}

void Presence::tend() {
  std::erase_if(watchers_, [](const Socket& socket) { return broken(socket.fd()); });
  while (watchers_.size() < kWatchersMax) {
    Socket watcher(::accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!watcher) return;
    watchers_.push_back(std::move(watcher));
  }
}

Result<Watch> Watch::of(const std::string& name) {
  ROSS_TRY(const Abstract at, abstract_address(name));
  Watch watch;
  watch.socket_ = Socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!watch.socket_) return fail(errno, "cannot make a socket");
  if (::connect(watch.socket_.fd(), reinterpret_cast<const sockaddr*>(&at.address), at.size) != 0) {
    return fail(errno, fmt::format("no endpoint named {} is there", name));
  }
  ROSS_TRY(watch.peer_, peer_of(watch.socket_.fd()));
  return watch;
}

bool Watch::gone() const { return socket_ && broken(socket_.fd()); }

}  // namespace ross::fabric::ofi
