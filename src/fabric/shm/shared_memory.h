// SharedMemory: memory without a name that two processes map, passed between them by descriptor.
//
// It is a memfd sealed against changing its size, so no access to it can fail however hostile the process is that made it:
// adopt() takes nothing else. A child of fork() does not get the mapping.
//
//   ROSS_TRY(auto inbox, SharedMemory::create(bytes, SharedMemory::Shape::kRing));
//   ... the peer gets inbox.fd() ...
//   ROSS_TRY(auto theirs, SharedMemory::adopt(std::move(descriptor), {.size_bytes = bytes, .shape = ...}));
//
// Ownership: unmaps and closes. Threading: any thread.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/status.h"
#include "fabric/local/socket.h"

namespace ross::fabric::shm {

// An open descriptor of any kind, owned.
using Descriptor = Socket;

class SharedMemory {
 public:
  // kRing: what lies behind kInboxHeaderBytes appears twice in a row, so a piece that wraps around is contiguous, too.
  enum class Shape : bool { kPlain, kRing };
  struct Expected {
    std::size_t size_bytes = 0;  // exactly; 0: whatever it has
    Shape shape = Shape::kPlain;
    bool writable = false;
  };

  SharedMemory() = default;
  SharedMemory(SharedMemory&& other) noexcept { swap(other); }
  SharedMemory& operator=(SharedMemory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~SharedMemory();

  // Zeros. A ring has a multiple of page_bytes(); of any other size the kernel maps whole pages.
  static Result<SharedMemory> create(std::size_t size_bytes, Shape shape);
  // Errors: EPROTO for anything but a sealed memfd of the expected size.
  static Result<SharedMemory> adopt(Descriptor descriptor, Expected expected);

  // From now on nobody can get a writable mapping of it any more; ours stays.
  Status forbid_writing();
  // Gives the memory itself back, whoever still maps it: it reads as zeros.
  void discard();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] int fd() const { return descriptor_.fd(); }
  [[nodiscard]] explicit operator bool() const { return data_ != nullptr; }
  void close_descriptor() { descriptor_ = Descriptor(); }

 private:
  Status map(Shape shape, bool writable);
  void swap(SharedMemory& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
  }

  Descriptor descriptor_;
  std::byte* data_ = nullptr;
  std::size_t size_bytes_ = 0;
  std::size_t mapped_bytes_ = 0;
};

}  // namespace ross::fabric::shm
