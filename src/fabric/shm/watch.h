// Watch: the descriptors of one endpoint, looked at together, with one descriptor that is readable while any of them is.
//
// Ownership: borrows a Watched from add() to remove(), which may come at any time, also from within a call of another.
// Threading: owner thread.
#pragma once

#include <array>
#include <cstddef>

#include <sys/epoll.h>

#include "base/status.h"
#include "fabric/shm/shared_memory.h"

namespace ross::fabric::shm {

class Watched {
 public:
  // The descriptor can be read, or its other end is gone.
  virtual void on_ready() = 0;

 protected:
  ~Watched() = default;
};

class Watch {
 public:
  static Result<Watch> create();
  [[nodiscard]] int fd() const { return epoll_.fd(); }
  Status add(int fd, Watched& watched);
  void remove(int fd, Watched& watched);
  // Calls those that are ready, kBatch at most. Returns how many.
  std::size_t look();

 private:
  static constexpr std::size_t kBatch = 64;
  Descriptor epoll_;
  std::array<epoll_event, kBatch> events_{};
  std::size_t next_ = 0;  // of events_, in look()
  std::size_t count_ = 0;
};

}  // namespace ross::fabric::shm
