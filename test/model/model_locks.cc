// Locks: waiting, deadlock, and who is in the way.
#include <algorithm>
#include <set>
#include <tuple>

#include "model_file_system.h"

namespace ross::model {

using fs::FileId;
using fs::LockKind;
using fs::LockRange;
using fs::NodeId;

namespace {

LockRange whole_if_flock(LockRange range) {
  if (range.flock) {
    range.begin = 0;
    range.end = UINT64_MAX;
  }
  return range;
}

}  // namespace

// The node to lock, if this file may take such a lock.
Result<NodeId> ModelFileSystem::lockable(FileId file, const LockRange& range) {
  ROSS_TRY(const OpenFile* open, file_at(file));
  if (range.begin >= range.end) return fail(EINVAL);
  if (!range.flock && range.kind == LockKind::kShared && !open->flags.read) return fail(EBADF);
  if (!range.flock && range.kind == LockKind::kExclusive && !open->flags.write) return fail(EBADF);
  return open->node;
}

fs::AsyncStatus ModelFileSystem::lock(FileId file, const LockRange& range, bool wait) {
  const LockRange wanted = whole_if_flock(range);
  std::unique_lock lock(mutex_);
  auto node = lockable(file, wanted);
  if (!node) co_return std::move(node).error();
  LockTable* table = &locks_[*node];
  if (!table->conflicts(wanted).empty()) {
    if (!wait) co_return Status(EAGAIN);
    if (waits_for_ever(*node, wanted)) co_return Status(EDEADLK);
    const auto waiting = lock_waits_.insert(lock_waits_.end(), LockWait{*node, wanted});
    do {
      co_await lock_queue_.wait(lock);
      table = &locks_[*node];
    } while (!waiting->interrupted && !table->conflicts(wanted).empty());
    const bool interrupted = waiting->interrupted;
    lock_waits_.erase(waiting);
    if (interrupted) co_return Status(EINTR);
    if (!open_files_.contains(file)) co_return Status(EBADF);
  }
  table->set(wanted);
  lock_queue_.notify_all();
  co_return Status();
}

// Whether granting range needs, through any chain of waits, that its own owner lets go of something.
bool ModelFileSystem::waits_for_ever(NodeId node, const LockRange& range) const {
  std::set<std::pair<std::uint64_t, bool>> seen;
  std::vector<LockWait> open{LockWait{node, range}};
  while (!open.empty()) {
    const LockWait wait = open.back();
    open.pop_back();
    const auto table = locks_.find(wait.node);
    if (table == locks_.end()) continue;
    for (const LockRange& held : table->second.conflicts(wait.range)) {
      if (held.owner == range.owner && held.flock == range.flock) return true;
      if (!seen.emplace(held.owner, held.flock).second) continue;
      std::copy_if(lock_waits_.begin(), lock_waits_.end(), std::back_inserter(open), [&held](const LockWait& other) {
        return other.range.owner == held.owner && other.range.flock == held.flock;
      });
    }
  }
  return false;
}

fs::Async<LockRange> ModelFileSystem::test_lock(FileId file, const LockRange& range) {
  return locked([&]() -> Result<LockRange> {
    ROSS_TRY(const OpenFile* open, file_at(file));
    LockRange asked = whole_if_flock(range);
    if (asked.begin >= asked.end) return fail(EINVAL);
    const auto table = locks_.find(open->node);
    if (table != locks_.end()) {
      const std::vector<LockRange> conflicts = table->second.conflicts(asked);
      if (!conflicts.empty()) return conflicts.front();
    }
    asked.kind = LockKind::kUnlock;
    return asked;
  });
}

fs::AsyncStatus ModelFileSystem::unlock_owner(FileId file, std::uint64_t owner) {
  return locked([&]() -> Done {
    ROSS_TRY(const OpenFile* open, file_at(file));
    locks_[open->node].drop_owner(owner);
    for (LockWait& wait : lock_waits_) {
      if (wait.node == open->node && wait.range.owner == owner) wait.interrupted = true;
    }
    lock_queue_.notify_all();
    return {};
  });
}

}  // namespace ross::model
