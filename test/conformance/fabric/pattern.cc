#include "conformance/fabric/pattern.h"

#include <cstring>

namespace ross::fabric::conformance {
namespace {

std::uint64_t word_at(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t z = seed * 0x9e3779b97f4a7c15 + index * 0xd1342543de82ef95 + 0x2545f4914f6cdd1d;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

void fill_pattern(std::uint64_t seed, std::span<std::byte> into) {
  std::size_t at = 0;
  for (; at + 8 <= into.size(); at += 8) {
    const std::uint64_t word = word_at(seed, at / 8);
    std::memcpy(into.data() + at, &word, sizeof word);
  }
  if (at == into.size()) return;
  const std::uint64_t last = word_at(seed, at / 8);
  std::memcpy(into.data() + at, &last, into.size() - at);
}

Bytes pattern(std::uint64_t seed, std::size_t size_bytes) {
  Bytes made(size_bytes);
  fill_pattern(seed, made);
  return made;
}

std::ptrdiff_t differs_at(std::uint64_t seed, std::span<const std::byte> from) {
  std::size_t at = 0;
  for (; at + 8 <= from.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from.data() + at, sizeof word);
    if (word != word_at(seed, at / 8)) return static_cast<std::ptrdiff_t>(at);
  }
  const std::uint64_t last = word_at(seed, at / 8);
  const bool equal = at == from.size() || std::memcmp(from.data() + at, &last, from.size() - at) == 0;
  return equal ? -1 : static_cast<std::ptrdiff_t>(at);
}

}  // namespace ross::fabric::conformance
