#include "fabric/local/listener.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ross::fabric {

Status Listener::open(const std::string& path) {
  const auto taken = start_connect_to(path);
  if (taken.has_value() || taken.error().error() == EAGAIN) {
    return Status(EADDRINUSE, path + ": another process listens there");
  }
  auto socket = listen_at(path);
  if (!socket.has_value()) return std::move(socket).error();
  if (::fcntl(socket->fd(), F_SETFL, O_NONBLOCK) != 0) return Status(errno);
  struct stat node {};
  if (::lstat(path.c_str(), &node) != 0) return Status(errno);
  path_ = path;
  socket_ = *std::move(socket);
  device_ = node.st_dev;
  inode_ = node.st_ino;
  return {};
}

// Only our own node: another process may have taken the place meanwhile.
Listener::~Listener() {
  struct stat node {};
  if (socket_ && ::lstat(path_.c_str(), &node) == 0 && node.st_dev == device_ && node.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

}  // namespace ross::fabric
