// Buffers: page-aligned memory for payloads, in sizes of powers of two, kept for the next use up to a bound.
//
// What is lent is bounded by what the connections may have in flight; what is kept by kKeptBytesMax.
// Threading: owner thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/units.h"
#include "wire/limits.h"

namespace ross::server {

class Buffers {
 public:
  Buffers() = default;
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;
  ~Buffers() {
    for (auto& kept : kept_) {
      for (std::byte* buffer : kept) std::free(buffer);
    }
  }

  // At least size_bytes (at most kPayloadBytesMax), or null when memory is short.
  std::byte* take(std::size_t size_bytes) {
    const std::size_t index = class_of(size_bytes);
    if (kept_[index].empty()) return static_cast<std::byte*>(std::aligned_alloc(kSmallestBytes, bytes_of(index)));
    std::byte* const buffer = kept_[index].back();
    kept_[index].pop_back();
    kept_bytes_ -= bytes_of(index);
    return buffer;
  }
  void give_back(std::byte* buffer, std::size_t size_bytes) {
    const std::size_t index = class_of(size_bytes);
    if (kept_bytes_ + bytes_of(index) > kKeptBytesMax) return std::free(buffer);
    kept_bytes_ += bytes_of(index);
    kept_[index].push_back(buffer);
  }

 private:
  static constexpr std::size_t kSmallestBytes = 4096;
  static constexpr std::size_t kClasses = std::bit_width(wire::kPayloadBytesMax / kSmallestBytes);
  static constexpr std::size_t kKeptBytesMax = 64 * kMiB;
  static std::size_t class_of(std::size_t size_bytes) {
    return size_bytes <= kSmallestBytes ? 0 : std::bit_width((size_bytes - 1) / kSmallestBytes);
  }
  static std::size_t bytes_of(std::size_t index) { return kSmallestBytes << index; }

  std::array<std::vector<std::byte*>, kClasses> kept_;
  std::size_t kept_bytes_ = 0;
};

}  // namespace ross::server
