// SparseBytes: a large array of bytes that takes memory only where something was stored; the rest reads as zeros.
//
// Ranges must lie inside the 64-bit space; the disk checks them against its size. Threading: owner thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ross::disk {

class SparseBytes {
 public:
  static constexpr std::size_t kPageBytes = 16 * 1024;
  void load(std::uint64_t offset_bytes, std::span<std::byte> into) const;
  void store(std::uint64_t offset_bytes, std::span<const std::byte> from);
  // Zeros again; whole pages give their memory back.
  void clear(std::uint64_t offset_bytes, std::uint64_t size_bytes);
  void flip(std::uint64_t offset_bytes, unsigned bit);

 private:
  std::byte* page(std::uint64_t number);
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<std::byte[]>> pages_;
};

}  // namespace ross::disk
