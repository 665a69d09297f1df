// Listener: a Unix socket that listens at a path, and takes its node away when it ends.
//
//   Listener listener;
//   ROSS_STATUS(listener.open(path));
//   ... ::accept4(listener.fd(), ...)     // never blocks: who asked may be gone when its turn comes
//
// Ownership: owns the socket and the node. Threading: owner thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/status.h"
#include "fabric/local/socket.h"

namespace ross::fabric {

class Listener {
 public:
  Listener() = default;
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Once. A node that somebody listens at stays (EADDRINUSE); one that a dead process left is replaced. The socket is made for this
  // user alone.
  Status open(const std::string& path);
  [[nodiscard]] int fd() const { return socket_.fd(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }

 private:
  std::string path_;
  Socket socket_;
  dev_t device_ = 0;  // of the node
  ino_t inode_ = 0;
};

}  // namespace ross::fabric
