#include "engine/format/keys.h"

namespace ross::engine::format {
namespace {

std::uint64_t rotate(std::uint64_t value, int bits) { return std::rotl(value, bits); }

struct SipState {
  std::uint64_t v0, v1, v2, v3;
  void round() {
    v0 += v1, v1 = rotate(v1, 13) ^ v0, v0 = rotate(v0, 32);
    v2 += v3, v3 = rotate(v3, 16) ^ v2;
    v0 += v3, v3 = rotate(v3, 21) ^ v0;
    v2 += v1, v1 = rotate(v1, 17) ^ v2, v2 = rotate(v2, 32);
  }
};

}  // namespace

// SipHash-1-3 with the container's seed in both halves of the key. It is part of the format: entries are stored under
// it, so it may never change for a format version.
std::uint64_t name_hash(std::uint64_t container_seed, std::string_view name) {
  const std::uint64_t k0 = container_seed;
  const std::uint64_t k1 = ~container_seed;
  SipState s{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  const std::size_t whole = name.size() / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, name.data() + i, 8);
    s.v3 ^= word;
    s.round();
    s.v0 ^= word;
  }
  std::uint64_t last = static_cast<std::uint64_t>(name.size()) << 56;
  std::memcpy(&last, name.data() + whole, name.size() - whole);
  s.v3 ^= last;
  s.round();
  s.v0 ^= last;
  s.v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) s.round();
  const std::uint64_t hash = (s.v0 ^ s.v1 ^ s.v2 ^ s.v3) >> 1;
  return hash == 0 ? 1 : hash;
}

}  // namespace ross::engine::format
