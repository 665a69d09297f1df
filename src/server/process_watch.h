// ProcessWatch: tells when a process of this machine has ended, also before its parent has heard of it.
//
// Threading: owner thread.
#pragma once

#include <sys/types.h>

#include <memory>

namespace ross::server {

class ProcessWatch {
 public:
  // Null unless there is such a process here and it is of this user: then nothing can be said of it.
  static std::unique_ptr<ProcessWatch> of(pid_t pid, uid_t uid);
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;
  [[nodiscard]] bool ended() const;

 private:
  explicit ProcessWatch(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace ross::server
