#include "client/holdings.h"

#include <algorithm>

#include "client/call.h"

namespace ross::client {
namespace {

using wire::Lock;
using wire::Op;

constexpr std::uint8_t kUnlock = 0;

// Locks as the server has them once `wanted` was granted: what its owner had in that range is replaced.
void apply_lock(std::vector<Lock>& locks, const Lock& wanted) {
  std::vector<Lock> after;
  for (const Lock& lock : locks) {
    const bool same = lock.owner == wanted.owner && lock.flock == wanted.flock;
    if (!same || lock.end <= wanted.begin || wanted.end <= lock.begin) {
      after.push_back(lock);
      continue;
    }
    if (lock.begin < wanted.begin) after.push_back(lock), after.back().end = wanted.begin;
    if (lock.end > wanted.end) after.push_back(lock), after.back().begin = wanted.end;
  }
  if (wanted.kind != kUnlock) after.push_back(wanted);
  locks = std::move(after);
}

// What its owner has in the range of `wanted` is at most of that kind.
void weaken(std::vector<Lock>& locks, const Lock& wanted) {
  const std::vector<Lock> before = locks;
  for (Lock lock : before) {
    const bool same = lock.owner == wanted.owner && lock.flock == wanted.flock;
    if (!same || lock.kind <= wanted.kind) continue;
    lock.begin = std::max(lock.begin, wanted.begin);
    lock.end = std::min(lock.end, wanted.end);
    lock.kind = wanted.kind;
    if (lock.begin < lock.end) apply_lock(locks, lock);
  }
}

}  // namespace

std::unique_ptr<Holdings::Note> Holdings::note_of(const wire::Request& request) {
  switch (request.op) {
    case Op::kOpen:
    case Op::kCreate:
    case Op::kCreateUnnamed:
    case Op::kClose:
    case Op::kLock:
    case Op::kUnlockOwner:
    case Op::kContainerOpen:
    case Op::kContainerClose:
    case Op::kReopen:
      break;
    default:
      return nullptr;
  }
  auto note = std::make_unique<Note>();
  note->op = request.op;
  note->container = request.container;
  note->file = request.file;
  note->owner = request.a;
  note->open_bits = request.op == Op::kOpen            ? request.mode
                    : request.op == Op::kReopen        ? request.mode
                    : request.op == Op::kCreate        ? static_cast<std::uint32_t>(request.a)
                    : request.op == Op::kCreateUnnamed ? wire::kOpenRead | wire::kOpenWrite
                                                       : 0U;
  note->open_bits &= ~static_cast<std::uint32_t>(wire::kOpenTruncate | wire::kOpenExclusive);
  note->uid = request.uid;
  note->gid = request.gid;
  note->groups = request.groups;
  if (request.op == Op::kContainerOpen) note->name = request.name;
  if (request.op == Op::kLock) {
    const Result<Lock> lock = wire::from_text<Lock>(request.text);
    if (lock.has_value()) note->lock = *lock;
  }
  return note;
}

void Holdings::sent(const Note& note) {
  const std::lock_guard lock(mutex_);
  if (note.op == Op::kContainerClose) {
    for (auto& [number, file] : list_.files) {
      if (file.container != note.container) continue;
      file.locks.clear();
      file.closing = true;
    }
    return;
  }
  const auto file = list_.files.find(note.file);
  if (file == list_.files.end()) return;
  std::vector<Lock>& locks = file->second.locks;
  switch (note.op) {
    case Op::kClose:
      locks.clear();
      file->second.closing = true;
      break;
    case Op::kLock:
      weaken(locks, note.lock);
      break;
    case Op::kUnlockOwner:
      std::erase_if(locks, [&note](const Lock& held) { return held.owner == note.owner; });
      break;
    default:
      break;
  }
}

bool Holdings::answered(std::uint32_t generation, const Note& note, const Answer& answer) {
  const std::lock_guard lock(mutex_);
  if (generation != generation_) return false;
  const auto file = list_.files.find(note.file);
  switch (note.op) {
    case Op::kContainerOpen:
      list_.containers[static_cast<std::uint32_t>(answer.value)] = note.name;
      break;
    case Op::kContainerClose:
      list_.containers.erase(note.container);
      std::erase_if(list_.files, [&note](const auto& named) { return named.second.container == note.container; });
      break;
    case Op::kClose:
      list_.files.erase(note.file);
      break;
    case Op::kLock:
      if (file != list_.files.end()) apply_lock(file->second.locks, note.lock);
      break;
    case Op::kUnlockOwner:
      if (file != list_.files.end()) {
        std::erase_if(file->second.locks, [&note](const Lock& held) { return held.owner == note.owner; });
      }
      break;
    default:
      list_.files[answer.value] = {.container = note.container,
                                   .node = answer.attr.node,
                                   .open_bits = note.open_bits,
                                   .uid = note.uid,
                                   .gid = note.gid,
                                   .groups = note.groups,
                                   .locks = {}};
      break;
  }
  return true;
}

Holdings::List Holdings::begin_generation(std::uint32_t generation) {
  const std::lock_guard lock(mutex_);
  generation_ = generation;
  return list_;
}

}  // namespace ross::client
