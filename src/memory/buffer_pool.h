// BufferPool: aligned buffers of one size, made once and lent out.
//
// What cannot go straight between the application's memory and a device (unaligned, or partly wanted) goes
// through a buffer from here. The pool grows on demand to a bound, never shrinks, and refuses beyond the bound.
//
//   memory::BufferPool pool({.buffer_bytes = 64 * kKiB, .buffers_max = 256});
//   ROSS_TRY(memory::Lease buffer, pool.lease());     // goes back when the lease ends
//
// Ownership: a Lease borrows its pool. Limits: buffers_max. Errors: ENOBUFS when all are lent.
// Threading: guarded.
#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"

namespace ross::memory {

class BufferPool;

class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), data_(other.data_) {}
  Lease& operator=(Lease&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Lease();
  [[nodiscard]] std::span<std::byte> span() const;
  [[nodiscard]] std::byte* data() const { return data_; }
  explicit operator bool() const { return pool_ != nullptr; }

 private:
  friend class BufferPool;
  Lease(BufferPool& pool, std::byte* data) : pool_(&pool), data_(data) {}
  BufferPool* pool_ = nullptr;
  std::byte* data_ = nullptr;
};

class BufferPool {
 public:
  struct Options {
    std::size_t buffer_bytes;            // a multiple of the alignment
    std::size_t buffers_max;             // lent at once
    std::size_t alignment_bytes = 4096;  // what O_DIRECT wants
  };
  explicit BufferPool(Options options) : options_(options) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  Result<Lease> lease();
  [[nodiscard]] std::size_t buffer_bytes() const { return options_.buffer_bytes; }

 private:
  friend class Lease;
  void give_back(std::byte* data);

  const Options options_;
  std::mutex mutex_;
  std::vector<std::byte*> free_;  // guarded by mutex_
  std::size_t made_ = 0;          // guarded by mutex_
};

}  // namespace ross::memory
