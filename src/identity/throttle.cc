#include "identity/throttle.h"

#include <algorithm>

namespace ross::identity {

// A count of so many takes its share of a second.
std::int64_t Throttle::Bucket::time_of(std::uint64_t count) const {
  constexpr double kSecondNs = 1e9;
  if (per_second == 0) return 0;
  return static_cast<std::int64_t>(static_cast<double>(count) * kSecondNs / static_cast<double>(per_second));
}

// What is taken may be ahead of what has flowed in by the burst.
std::int64_t Throttle::Bucket::take(std::uint64_t count, std::int64_t now_ns) {
  if (per_second == 0) return now_ns;
  const std::int64_t burst_ns = burst == 0 ? 100'000'000 : time_of(burst);
  const std::int64_t at_ns = std::max(now_ns, empty_ns - burst_ns);
  empty_ns = std::max(empty_ns, now_ns) + time_of(count);
  return at_ns;
}

std::int64_t Throttle::take(std::uint64_t size_bytes, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  return std::max(bytes_.take(size_bytes, now_ns), ops_.take(1, now_ns));
}

void Throttle::give_back(std::uint64_t size_bytes, std::uint64_t ops) {
  const std::lock_guard lock(mutex_);
  bytes_.give_back(size_bytes);
  ops_.give_back(ops);
}

}  // namespace ross::identity
