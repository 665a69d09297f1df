// Fd: a file descriptor that closes itself. Threading: owner thread.
#pragma once

#include <unistd.h>

#include <utility>

namespace ross::disk {

struct Fd {
  int value = -1;
  explicit Fd(int fd = -1) : value(fd) {}
  Fd(Fd&& other) noexcept : value(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(value, other.value);
    return *this;
  }
  ~Fd() {
    if (value >= 0) close(value);
  }
  int release() { return std::exchange(value, -1); }
};

}  // namespace ross::disk
