#include "server/process_watch.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

namespace ross::server {

std::unique_ptr<ProcessWatch> ProcessWatch::of(pid_t pid, uid_t uid) {
  if (pid <= 0) return nullptr;
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return nullptr;
  std::unique_ptr<ProcessWatch> watch(new ProcessWatch(fd));
  struct stat status {};
  const bool theirs = ::stat(("/proc/" + std::to_string(pid)).c_str(), &status) == 0 && status.st_uid == uid;
  return theirs && !watch->ended() ? std::move(watch) : nullptr;
}

ProcessWatch::~ProcessWatch() { ::close(fd_); }

bool ProcessWatch::ended() const {
  struct pollfd poll {
    .fd = fd_, .events = POLLIN, .revents = 0
  };
  return ::poll(&poll, 1, 0) == 1;
}

}  // namespace ross::server
