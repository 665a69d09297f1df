// Bytes that nobody can guess, from the kernel.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ross {

// Threading: any thread.
void fill_random(std::span<std::uint8_t> bytes);

// Such bytes for keys that are made all the time: fetched many at once, each given once and then kept nowhere here. A process that
// is forked must not use its parent's. Threading: owner thread.
class RandomReserve {
 public:
  static constexpr std::size_t kBytes = 4096;

  template <class T, std::size_t kCount>
  std::array<T, kCount> take() {
    static_assert(sizeof(std::array<T, kCount>) <= kBytes);
    std::array<T, kCount> taken;
    fill(std::as_writable_bytes(std::span(taken)));
    return taken;
  }

 private:
  void fill(std::span<std::byte> bytes);

  std::array<std::uint8_t, kBytes> bytes_{};
  std::size_t taken_ = kBytes;
};

}  // namespace ross
