// LockTable: the advisory locks of one file: byte ranges per owner (fcntl) and whole-file locks per open file (flock).
//
// The ranges of one owner never overlap: taking a lock cuts and joins what the owner held, as POSIX wants. The two families do
// not see each other. Waiting is the caller's: try_lock says who is in the way.
// Ownership: its inode. Threading: guarded by the pool's mutex.
#pragma once

#include <optional>
#include <vector>

#include "fs/types.h"
#include "runtime/sync.h"

namespace ross::engine {

class LockTable {
 public:
  // Takes, changes or gives back; a lock of another owner that is in the way, and nothing changed.
  std::optional<fs::LockRange> try_lock(const fs::LockRange& wanted);
  // The first lock in the way of wanted.
  [[nodiscard]] std::optional<fs::LockRange> conflict(const fs::LockRange& wanted) const;
  // Drops every lock of owner. Whether there was one.
  bool drop_owner(std::uint64_t owner);
  [[nodiscard]] bool empty() const { return held_.empty(); }

  // Those who wait for a lock of this file.
  runtime::WaitQueue waiters;
  // Owners whose waits are to end with EINTR, with the number of waits that have yet to see it.
  std::vector<std::uint64_t> cancelled;

 private:
  std::vector<fs::LockRange> held_;
};

}  // namespace ross::engine
