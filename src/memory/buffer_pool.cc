#include "memory/buffer_pool.h"

#include <cstdlib>

namespace ross::memory {

Lease::~Lease() {
  if (pool_ != nullptr) pool_->give_back(data_);
}

std::span<std::byte> Lease::span() const { return {data_, pool_ == nullptr ? 0 : pool_->buffer_bytes()}; }

BufferPool::~BufferPool() {
  ROSS_CHECK(free_.size() == made_, "a buffer pool was destroyed with buffers lent out");
  for (std::byte* buffer : free_) std::free(buffer);
}

Result<Lease> BufferPool::lease() {
  const std::lock_guard lock(mutex_);
  if (!free_.empty()) {
    std::byte* const buffer = free_.back();
    free_.pop_back();
    return Lease(*this, buffer);
  }
  if (made_ == options_.buffers_max) return fail(ENOBUFS, "every I/O buffer is in use", Retry::kNow);
  void* buffer = std::aligned_alloc(options_.alignment_bytes, options_.buffer_bytes);
  if (buffer == nullptr) return fail(ENOMEM);
  ++made_;
  free_.reserve(made_);
  return Lease(*this, static_cast<std::byte*>(buffer));
}

void BufferPool::give_back(std::byte* data) {
  const std::lock_guard lock(mutex_);
  free_.push_back(data);
}

}  // namespace ross::memory
