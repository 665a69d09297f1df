// Effort: how often a test repeats what one thread does.
//
//   for (std::uint64_t seed = 1; seed <= repeats(40); ++seed) ...
//
// A sanitizer makes each step several times slower, and looks for what a step does wrong whenever it is taken: it needs every
// kind of step and no large number of each. The full number runs without sanitizers. What several threads do at the same time
// is never cut: there each repetition is another interleaving.
#pragma once

#include "base/sanitizer.h"

namespace ross {

template <class Number>
constexpr Number repeats(Number full) {
  constexpr Number kShare = kThreadSanitizer ? 8 : kAddressSanitizer ? 4 : 1;
  return (full + kShare - 1) / kShare;
}

}  // namespace ross
