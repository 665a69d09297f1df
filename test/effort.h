// Effort: how often a test repeats what one thread does.
//
//   for (std::uint64_t seed = 1; seed <= repeats(40); ++seed) ...
//
// The thread sanitizer makes each step many times slower, and what it looks for is two threads at once: it needs every kind
// of step and no large number of each. The full number runs without it, and with the other sanitizers. What several threads
// do at the same time is never cut: there each repetition is another interleaving.
#pragma once

#include "base/sanitizer.h"

namespace ross {

template <class Number>
constexpr Number repeats(Number full) {
  return kThreadSanitizer ? (full + 7) / 8 : full;
}

}  // namespace ross
