// Random: a seeded generator (xoshiro256**), so that a run can be replayed from a printed seed.
//
// Not for secrets. Threading: owner thread.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

namespace ross {

class Random {
 public:
  using result_type = std::uint64_t;
  explicit Random(std::uint64_t seed);
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()();
  // Uniform in [0, bound); bound > 0.
  std::uint64_t below(std::uint64_t bound);
  // True with probability numerator/denominator.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) { return below(denominator) < numerator; }

 private:
  std::array<std::uint64_t, 4> state_;
};

// 64 bits from the kernel's generator: seeds, identifiers, keys.
std::uint64_t random_seed();

}  // namespace ross
