// Descriptor: a file descriptor of the host that closes itself; and the host's stat as an Attr.
// Threading: owner thread.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "fs/types.h"

namespace ross::cli::copy {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

fs::Attr to_attr(const struct stat& found);
// The path by which the kernel reaches an open descriptor.
std::string descriptor_path(int fd);

}  // namespace ross::cli::copy
