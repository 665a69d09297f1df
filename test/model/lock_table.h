// LockTable: the locks on one file, with the splitting and merging that fcntl prescribes.
//
// Byte-range and flock locks stand in the same list and do not see each other; a flock lock covers everything.
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <vector>

#include "fs/types.h"

namespace ross::model {

class LockTable {
 public:
  // The locks of other owners that keep range from being taken, lowest begin first.
  [[nodiscard]] std::vector<fs::LockRange> conflicts(const fs::LockRange& range) const;
  // Takes, changes or (kUnlock) gives back. The caller made sure that nothing is in the way.
  void set(fs::LockRange range);
  void drop_owner(std::uint64_t owner);
  [[nodiscard]] bool empty() const { return locks_.empty(); }

 private:
  std::vector<fs::LockRange> locks_;  // by begin
};

}  // namespace ross::model
