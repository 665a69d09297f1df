// Buffers: page-aligned memory for payloads, in sizes of powers of two, kept for the next use up to a bound.
//
// Buffers of one size are cut from slabs, and each slab is registered once with every domain the server listens by, so that
// no transfer registers anything. What is lent is bounded by what the connections may have in flight, what is kept by
// kKeptBytesMax.
//
// Ownership: borrows the domains. Threading: owner thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "base/units.h"
#include "fabric/endpoint.h"
#include "wire/limits.h"

namespace ross::server {

class Buffers {
 public:
  struct Slab;
  // Memory that is lent; none while data is null.
  struct Buffer {
    std::byte* data = nullptr;
    Slab* slab = nullptr;
  };

  explicit Buffers(std::vector<fabric::Domain*> domains);
  ~Buffers();
  Buffers(const Buffers&) = delete;
  Buffers& operator=(const Buffers&) = delete;

  // At least size_bytes (at most kPayloadBytesMax), or none when memory is short.
  Buffer take(std::size_t size_bytes);
  void give_back(const Buffer& buffer);
  // Where the buffer is registered with the domain of that place in the list; null where memory may not be locked.
  static const fabric::Region* region(const Buffer& buffer, std::size_t domain);

 private:
  static constexpr std::size_t kSmallestBytes = 4096;
  static constexpr std::size_t kSlabBytes = wire::kPayloadBytesMax;
  static constexpr std::size_t kClasses = std::bit_width(kSlabBytes / kSmallestBytes);
  static constexpr std::size_t kKeptBytesMax = 64 * kMiB;
  static std::size_t class_of(std::size_t size_bytes) {
    return size_bytes <= kSmallestBytes ? 0 : std::bit_width((size_bytes - 1) / kSmallestBytes);
  }
  static std::size_t bytes_of(std::size_t index) { return kSmallestBytes << index; }
  bool add_slab(std::size_t index);
  void drop(Slab& slab);

  const std::vector<fabric::Domain*> domains_;
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::array<std::vector<Buffer>, kClasses> free_;
  std::size_t free_bytes_ = 0;
};

}  // namespace ross::server
