// Party: a principal of a fair queue's tests, with its connections.
//
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "server/fair_queue.h"

namespace ross::server::fair_queue_test {

inline constexpr std::uint64_t kKi = 1024;
inline constexpr std::uint64_t kMi = 1024 * kKi;

struct Party {
  Party(FairQueue& queue, std::string_view name, std::uint64_t weight, std::size_t connections) : lines(connections) {
    share = &queue.join(name, weight);
    for (FairQueue::Line& line : lines) line.share = share;
  }
  FairQueue::Share* share;
  std::deque<FairQueue::Line> lines;
  std::uint64_t served = 0;   // in cost
  std::uint64_t dearest = 0;  // of its requests
};

}  // namespace ross::server::fair_queue_test
