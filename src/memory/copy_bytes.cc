#include "memory/copy_bytes.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ross::memory {
namespace {

// Below this the library's copy is over before the difference shows.
constexpr std::size_t kSmallBytes = 1024;

// Both at the same place in a cache line: the loads of a copy loop stay ahead of its stores.
bool same_alignment(const std::byte* to, const std::byte* from) {
  constexpr std::uintptr_t kLineMask = 63;
  return ((reinterpret_cast<std::uintptr_t>(to) ^ reinterpret_cast<std::uintptr_t>(from)) & kLineMask) == 0;
}

#if defined(__x86_64__)

// Copies whole steps and returns how many bytes that were.
__attribute__((target("avx512f"))) std::size_t copy_steps_512(std::byte* to, const std::byte* from,
                                                              std::size_t size_bytes) {
  constexpr std::size_t kWidth = 64;
  constexpr std::size_t kStep = 16 * kWidth;
  std::size_t at = 0;
  for (; at + kStep <= size_bytes; at += kStep) {
    __m512i part[16];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) part[i] = _mm512_loadu_si512(from + at + i * kWidth);
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) _mm512_storeu_si512(to + at + i * kWidth, part[i]);
  }
  return at;
}

__attribute__((target("avx"))) std::size_t copy_steps_256(std::byte* to, const std::byte* from,
                                                          std::size_t size_bytes) {
  constexpr std::size_t kWidth = 32;
  constexpr std::size_t kStep = 16 * kWidth;
  std::size_t at = 0;
  for (; at + kStep <= size_bytes; at += kStep) {
    __m256i part[16];
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) {
      part[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at + i * kWidth));
    }
#pragma GCC unroll 16
    for (std::size_t i = 0; i < 16; ++i) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + at + i * kWidth), part[i]);
    }
  }
  return at;
}

using CopySteps = std::size_t (*)(std::byte*, const std::byte*, std::size_t);

CopySteps best_copy_steps() {
  if (__builtin_cpu_supports("avx512f")) return copy_steps_512;
  if (__builtin_cpu_supports("avx")) return copy_steps_256;
  return [](std::byte*, const std::byte*, std::size_t) -> std::size_t { return 0; };
}

#endif

}  // namespace

void copy_bytes(std::byte* to, const std::byte* from, std::size_t size_bytes) {
  if (size_bytes == 0) return;  // either may be null then
#if defined(__x86_64__)
  if (size_bytes >= kSmallBytes && !same_alignment(to, from)) {
    static const CopySteps copy_steps = best_copy_steps();
    const std::size_t copied = copy_steps(to, from, size_bytes);
    to += copied;
    from += copied;
    size_bytes -= copied;
  }
#endif
  std::memcpy(to, from, size_bytes);
}

}  // namespace ross::memory
