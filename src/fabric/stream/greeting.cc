#include "fabric/stream/greeting.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

namespace ross::fabric::stream {

Greeting::~Greeting() {
  unwatch();
  set_.set_deadline(*this, INT64_MAX);
}

void Greeting::hear(Socket socket, std::int64_t deadline_ns) {
  socket_ = std::move(socket);
  address_ = family_.name(socket_.fd());
  state_ = State::kHearing;
  set_.set_deadline(*this, deadline_ns);
  watch(socket_.fd(), EPOLLIN);
}

void Greeting::connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) {
  connecting_ = &connecting;
  address_ = address;
  set_.set_deadline(*this, deadline_ns);
  Result<std::unique_ptr<Dialer>> dialer = family_.dial(address);
  if (!dialer.has_value()) return fail_soon(std::move(dialer).error());
  dialer_ = *std::move(dialer);
  if (dialer_->fd() < 0) return connect_next();
  state_ = State::kResolving;
  watch(dialer_->fd(), EPOLLIN);
}

void Greeting::give_up(Connecting& connecting, Status why) {
  connecting_ = &connecting;
  fail_soon(std::move(why));
}

Socket Greeting::take_socket() {
  unwatch();
  return std::move(socket_);
}

void Greeting::watch(int fd, std::uint32_t events) {
  if (Status status = set_.watch(fd, *this, events); !status.ok()) return fail_soon(std::move(status));
  watched_fd_ = fd;
}

void Greeting::unwatch() {
  if (watched_fd_ < 0) return;
  const int fd = std::exchange(watched_fd_, -1);
  set_.unwatch(fd, *this);
}

void Greeting::fail_soon(Status why) {
  failure_ = std::move(why);
  unwatch();
  set_.set_deadline(*this, 0);
}

void Greeting::on_deadline() {
  if (failure_.ok()) {
    failure_ = Status(ETIMEDOUT, fmt::format("{} does not answer", address_));
  }
  owner_.greeted(*this, fail(std::move(failure_)));
}

void Greeting::connect_next() {
  Result<Socket> socket = dialer_->next();
  if (!socket.has_value()) {
    // Why the last place did not work says more than that there is no other.
    return fail_soon(failure_.ok() ? std::move(socket).error() : std::exchange(failure_, {}));
  }
  socket_ = *std::move(socket);
  state_ = State::kConnecting;
  watch(socket_.fd(), EPOLLOUT);
}

std::size_t Greeting::on_ready(std::uint32_t) {
  switch (state_) {
    case State::kResolving:
      unwatch();
      connect_next();
      break;
    case State::kConnecting:
      connected();
      break;
    case State::kHearing:
      hear_more();
      break;
  }
  return 1;
}

void Greeting::connected() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  unwatch();
  if (error != 0) {
    failure_ = Status(error, fmt::format("cannot connect to {}: {}", address_, Status(error).message()));
    socket_ = Socket();
    return connect_next();
  }
  failure_ = {};
  family_.tune(socket_.fd());
  state_ = State::kHearing;
  if (!speak(0)) return fail_soon(Status(ECONNRESET, fmt::format("{} ended the connection at once", address_)));
  watch(socket_.fd(), EPOLLIN);
}

bool Greeting::speak(std::uint32_t error) {
  const Preamble preamble = make_preamble(limits_, error);
  // A fresh socket has room for it.
  return ::send(socket_.fd(), &preamble, sizeof preamble, MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof preamble;
}

void Greeting::hear_more() {
  auto* const into = reinterpret_cast<std::byte*>(&heard_) + heard_bytes_;
  // No byte more: what follows is the channel's.
  const ssize_t got = ::recv(socket_.fd(), into, sizeof heard_ - heard_bytes_, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    return owner_.greeted(*this, fail(ECONNRESET, fmt::format("{} ended the connection before it said what it is "
                                                              "(another program, or too many connections)",
                                                              address_)));
  }
  heard_bytes_ += static_cast<std::size_t>(got);
  if (Status status = check(); !status.ok()) return owner_.greeted(*this, fail(std::move(status)));
  if (heard_bytes_ == sizeof heard_) owner_.greeted(*this, heard_);
}

// Of as much as was heard.
Status Greeting::check() const {
  const std::size_t magic = std::min(heard_bytes_, kMagic.size());
  if (!std::equal(kMagic.begin(), kMagic.begin() + static_cast<std::ptrdiff_t>(magic), heard_.magic.begin())) {
    return Status(EPROTO, fmt::format("{} does not speak ROSS", address_));
  }
  if (heard_bytes_ < sizeof heard_) return {};
  if (heard_.version != kVersion) {
    return Status(EPROTO,
                  fmt::format("{} speaks version {} of the fabric's protocol, this process version {}: run both "
                              "from the same build",
                              address_, heard_.version, kVersion));
  }
  if (heard_.error != 0) {
    const int error = heard_.error < 4096 ? static_cast<int>(heard_.error) : EPROTO;
    return Status(error, fmt::format("{} refuses the connection: {}", address_, Status(error).message()));
  }
  if (heard_.gets_max == 0) return Status(EPROTO, fmt::format("{} grants nothing", address_));
  return {};
}

}  // namespace ross::fabric::stream
