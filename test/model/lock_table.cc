#include "lock_table.h"

#include <algorithm>

namespace ross::model {

std::vector<fs::LockRange> LockTable::conflicts(const fs::LockRange& range) const {
  std::vector<fs::LockRange> found;
  if (range.kind == fs::LockKind::kUnlock) return found;
  for (const fs::LockRange& lock : locks_) {
    const bool other = lock.flock == range.flock && lock.owner != range.owner;
    const bool overlaps = lock.begin < range.end && range.begin < lock.end;
    const bool excludes = lock.kind == fs::LockKind::kExclusive || range.kind == fs::LockKind::kExclusive;
    if (other && overlaps && excludes) found.push_back(lock);
  }
  return found;
}

void LockTable::set(fs::LockRange range) {
  std::vector<fs::LockRange> kept;
  for (const fs::LockRange& lock : locks_) {
    const bool own = lock.flock == range.flock && lock.owner == range.owner;
    const bool touches = lock.begin <= range.end && range.begin <= lock.end;
    if (!own || !touches) {
      kept.push_back(lock);
    } else if (lock.kind == range.kind) {
      range.begin = std::min(range.begin, lock.begin);
      range.end = std::max(range.end, lock.end);
    } else {
      fs::LockRange piece = lock;
      piece.end = std::min(lock.end, range.begin);
      if (piece.begin < piece.end) kept.push_back(piece);
      piece = lock;
      piece.begin = std::max(lock.begin, range.end);
      if (piece.begin < piece.end) kept.push_back(piece);
    }
  }
  if (range.kind != fs::LockKind::kUnlock) kept.push_back(range);
  std::stable_sort(kept.begin(), kept.end(),
                   [](const fs::LockRange& a, const fs::LockRange& b) { return a.begin < b.begin; });
  locks_ = std::move(kept);
}

void LockTable::drop_owner(std::uint64_t owner) {
  std::erase_if(locks_, [owner](const fs::LockRange& lock) { return lock.owner == owner; });
}

}  // namespace ross::model
