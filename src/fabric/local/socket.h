// Unix stream sockets by path: listening, connecting, and who is at the other end.
//
// Paths of any length work: the socket's directory is opened and the socket named through it, because an address holds
// 107 bytes only. Ownership: a Socket closes its descriptor. Threading: any thread.
#pragma once

#include <filesystem>
#include <utility>

#include "base/status.h"
#include "fabric/channel.h"

namespace ross::fabric {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket();
  [[nodiscard]] int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Binds and listens, replacing what an earlier process left there. The socket is made for this user alone.
Result<Socket> listen_at(const std::filesystem::path& path);
// ENOENT or ECONNREFUSED when nobody listens.
Result<Socket> connect_to(const std::filesystem::path& path);
// The same without blocking: EAGAIN where too many wait to be accepted.
Result<Socket> start_connect_to(const std::filesystem::path& path);
Result<Peer> peer_of(int fd);

// Sends or receives exactly size bytes, blocking until deadline_ns (monotonic): for greetings, before a loop takes
// over. ETIMEDOUT; ECONNRESET when the peer has gone.
Status send_all(int fd, const void* data, std::size_t size_bytes, std::int64_t deadline_ns);
Status receive_all(int fd, void* data, std::size_t size_bytes, std::int64_t deadline_ns);

}  // namespace ross::fabric
