#include "block_set.h"

#include <algorithm>
#include <iterator>

namespace ross::model {

void BlockSet::insert(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  auto range = ranges_.upper_bound(begin);
  if (range != ranges_.begin() && std::prev(range)->second >= begin) --range;
  while (range != ranges_.end() && range->first <= end) {
    begin = std::min(begin, range->first);
    end = std::max(end, range->second);
    count_ -= range->second - range->first;
    range = ranges_.erase(range);
  }
  ranges_.emplace(begin, end);
  count_ += end - begin;
}

void BlockSet::erase(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  auto range = ranges_.upper_bound(begin);
  if (range != ranges_.begin() && std::prev(range)->second > begin) --range;
  while (range != ranges_.end() && range->first < end) {
    const auto [first, last] = *range;
    range = ranges_.erase(range);
    count_ -= last - first;
    if (first < begin) {
      ranges_.emplace(first, begin);
      count_ += begin - first;
    }
    if (last > end) {
      ranges_.emplace(end, last);
      count_ += last - end;
    }
  }
}

std::uint64_t BlockSet::count_in(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t found = 0;
  auto range = ranges_.upper_bound(begin);
  if (range != ranges_.begin()) --range;
  for (; range != ranges_.end() && range->first < end; ++range) {
    const std::uint64_t first = std::max(begin, range->first);
    const std::uint64_t last = std::min(end, range->second);
    if (first < last) found += last - first;
  }
  return found;
}

}  // namespace ross::model
