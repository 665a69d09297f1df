// SlotNumbers: the numbers that the lanes of a session give to their changes under way (wire/message.h).
//
// A lane keeps the numbers it got and uses them again; it asks for another when all are in use. The first half is for
// whoever comes first, the second in shares, so that every lane gets as many as it cannot do without.
//
// Threading: any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "wire/limits.h"

namespace ross::client {

class SlotNumbers {
 public:
  // A number for a lane that has `held` of them, or 0: it has its share, and waits until one of its own is free.
  std::uint16_t take(std::size_t held) {
    const std::lock_guard lock(mutex_);
    if (taken_ >= wire::kSlotsMax / 2 && held >= kShare) return 0;
    if (taken_ >= wire::kSlotsMax) return 0;
    ++taken_;
    if (free_.empty()) return ++last_;
    const std::uint16_t number = free_.back();
    free_.pop_back();
    return number;
  }
  void give_back(std::span<const std::uint16_t> numbers) {
    const std::lock_guard lock(mutex_);
    free_.insert(free_.end(), numbers.begin(), numbers.end());
    taken_ -= numbers.size();
  }

 private:
  static constexpr std::size_t kShare = wire::kSlotsMax / 2 / wire::kConnectionsMax;

  std::mutex mutex_;
  // guarded by mutex_
  std::vector<std::uint16_t> free_;
  std::size_t taken_ = 0;
  std::uint16_t last_ = 0;
};

}  // namespace ross::client
