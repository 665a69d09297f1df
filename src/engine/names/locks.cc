// lock, test_lock, unlock_owner: advisory locks, with waits that end in EDEADLK where they never could.
//
// A wait is remembered as "owner waits for owner"; a chain that leads back to the one who asks is a deadlock. An owner with
// several waits at once (threads of one process) is remembered by its latest.
#include "engine/container.h"

namespace ross::engine {

fs::AsyncStatus Container::lock(fs::FileId file, const fs::LockRange& range, bool wait) {
  Lock guard(core_.mutex);
  auto open = find_file(file);
  if (!open) co_return std::move(open).error();
  if (range.begin >= range.end) co_return Status(EINVAL);
  if (!range.flock && range.kind == fs::LockKind::kShared && !(*open)->flags.read) co_return Status(EBADF);
  if (!range.flock && range.kind == fs::LockKind::kExclusive && !(*open)->flags.write) co_return Status(EBADF);
  Inode& inode = *(*open)->inode;
  if (!inode.locks) inode.locks = std::make_unique<LockTable>();
  LockTable& table = *inode.locks;
  const auto would_deadlock = [&](std::uint64_t holder) {
    for (std::size_t steps = 0; steps <= core_.blocked_owners.size(); ++steps) {
      if (holder == range.owner) return true;
      const auto next = core_.blocked_owners.find(holder);
      if (next == core_.blocked_owners.end()) return false;
      holder = next->second;
    }
    return false;
  };
  core_.nodes.pin(inode);
  Status status;
  for (;;) {
    const auto holder = table.try_lock(range);
    if (!holder) break;
    if (!wait) {
      status = Status(EAGAIN);
      break;
    }
    if (!range.flock && would_deadlock(holder->owner)) {
      status = Status(EDEADLK);
      break;
    }
    core_.blocked_owners[range.owner] = holder->owner;
    co_await table.waiters.wait(guard);
    core_.blocked_owners.erase(range.owner);
    if (std::erase(table.cancelled, range.owner) > 0) {
      status = Status(EINTR);
      break;
    }
  }
  core_.nodes.unpin(inode);
  if (unwanted(inode)) {
    if (Status reclaimed = co_await reclaim(guard, inode); status.ok()) status = reclaimed;
  }
  co_return status;
}

fs::Async<fs::LockRange> Container::test_lock(fs::FileId file, const fs::LockRange& range) {
  const Lock guard(core_.mutex);
  auto open = find_file(file);
  if (!open) return fs::Async<fs::LockRange>::ready(fail(std::move(open).error()));
  if (range.begin >= range.end) return fs::Async<fs::LockRange>::ready(fail(EINVAL));
  const auto& table = (*open)->inode->locks;
  fs::LockRange answer = range;
  answer.kind = fs::LockKind::kUnlock;
  if (table) answer = table->conflict(range).value_or(answer);
  return fs::Async<fs::LockRange>::ready(answer);
}

fs::AsyncStatus Container::unlock_owner(fs::FileId file, std::uint64_t owner) {
  const Lock guard(core_.mutex);
  auto open = find_file(file);
  if (!open) return fs::AsyncStatus::ready(std::move(open).error());
  if (LockTable* const table = (*open)->inode->locks.get()) {
    table->drop_owner(owner);
    if (core_.blocked_owners.contains(owner)) {
      table->cancelled.push_back(owner);
      table->waiters.notify_all();
    }
  }
  return fs::AsyncStatus::ready(Status());
}

}  // namespace ross::engine
