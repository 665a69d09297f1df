#include "engine/names/lock_table.h"

#include <algorithm>

namespace ross::engine {
namespace {

bool overlaps(const fs::LockRange& a, const fs::LockRange& b) {
  return a.flock == b.flock && a.begin < b.end && b.begin < a.end;
}

}  // namespace

std::optional<fs::LockRange> LockTable::conflict(const fs::LockRange& wanted) const {
  if (wanted.kind == fs::LockKind::kUnlock) return std::nullopt;
  std::optional<fs::LockRange> first;
  for (const fs::LockRange& held : held_) {
    const bool in_the_way = held.owner != wanted.owner && overlaps(held, wanted) &&
                            (held.kind == fs::LockKind::kExclusive || wanted.kind == fs::LockKind::kExclusive);
    if (in_the_way && (!first || held.begin < first->begin)) first = held;
  }
  return first;
}

std::optional<fs::LockRange> LockTable::try_lock(const fs::LockRange& wanted) {
  if (auto held = conflict(wanted)) return held;
  std::vector<fs::LockRange> kept;
  fs::LockRange joined = wanted;
  for (const fs::LockRange& held : held_) {
    const bool own = held.owner == wanted.owner && held.flock == wanted.flock;
    const bool touches = own && held.begin <= joined.end && joined.begin <= held.end;
    if (touches && held.kind == wanted.kind) {
      joined.begin = std::min(joined.begin, held.begin);
      joined.end = std::max(joined.end, held.end);
    } else if (own && overlaps(held, wanted)) {
      if (held.begin < wanted.begin) {
        kept.push_back(held);
        kept.back().end = wanted.begin;
      }
      if (held.end > wanted.end) {
        kept.push_back(held);
        kept.back().begin = wanted.end;
      }
    } else {
      kept.push_back(held);
    }
  }
  if (wanted.kind != fs::LockKind::kUnlock) kept.push_back(joined);
  held_ = std::move(kept);
  waiters.notify_all();  // a downgrade or an unlock may let somebody in
  return std::nullopt;
}

bool LockTable::drop_owner(std::uint64_t owner) {
  const bool any = std::erase_if(held_, [owner](const fs::LockRange& held) { return held.owner == owner; }) > 0;
  if (any) waiters.notify_all();
  return any;
}

}  // namespace ross::engine
