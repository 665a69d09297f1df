// One try of a recovery: the session is asked for, connected to, and given again what it held.
#include <utility>

#include "base/log.h"
#include "client/lane.h"
#include "client/recovery.h"
#include "client/session_state.h"

namespace ross::client {

Recovery::Work Recovery::bring_back(std::uint32_t generation, std::int64_t deadline_ns) {
  static_cast<void>(co_await let_go());
  auto found = co_await ask_(deadline_ns);
  if (!found.has_value()) co_return std::move(found).error();
  const Place place{.address = std::move(found->address), .token = found->token, .generation = generation};
  anchor_ = std::make_unique<Lane>(state_.shared_from_this(), loop_, place);
  anchor_->connect(deadline_ns);
  co_await anchor_->settled();
  if (!anchor_->open()) {
    // A session that has just been found and is gone at once is asked for again, and then it is told why.
    co_return Status(ECONNREFUSED, anchor_->why().message());
  }
  const Holdings::List held = state_.holdings.begin_generation(generation);
  if (!found->resumed) {
    if (Status status = co_await reclaim(held); !status.ok()) co_return status;
  }
  state_.move_to(place);
  co_return Status();
}

// Opens and locks again what the session held.
Recovery::Work Recovery::reclaim(const Holdings::List& held) {
  for (const auto& [number, name] : held.containers) {
    const wire::Request open{.op = wire::Op::kContainerOpen, .container = number, .name = name};
    if (Status status = co_await ask_server(open); !status.ok()) co_return status;
  }
  for (const auto& [number, file] : held.files) {
    wire::Request open{.op = wire::Op::kReopen, .container = file.container, .node = file.node, .file = number};
    open.mode = file.open_bits;
    open.uid = file.uid;
    open.gid = file.gid;
    open.groups = file.groups;
    if (Status status = co_await ask_server(open); !status.ok()) {
      if (!anchor_->open()) co_return status;
      // One that was being closed is closed: the answer is what was lost. Calls on another fail.
      log().log(file.closing ? spdlog::level::debug : spdlog::level::warn, "file {} could not be opened again: {}",
                number, status.message());
      continue;
    }
    for (const wire::Lock& held_lock : file.locks) {
      wire::Request lock{.op = wire::Op::kLock, .container = file.container, .file = number};
      lock.mode = wire::kLockReclaim;
      lock.text = wire::as_text(held_lock);
      if (Status status = co_await ask_server(lock); !status.ok()) {
        if (!anchor_->open()) co_return status;
        // Who has it believes to be alone: it must not go on.
        co_return Status(ESTALE, "a lock is lost: " + status.message());
      }
    }
  }
  // An agent knows of nothing yet that whoever it speaks for is about to reclaim: the last word is theirs.
  if (state_.reclaiming) co_return Status();
  const wire::Request reclaimed{.op = wire::Op::kReclaimed};
  co_return co_await ask_server(reclaimed);
}

Recovery::Work Recovery::ask_server(const wire::Request& request) {
  Call call(request, {}, {});
  call.patient = false;
  co_await anchor_->answer(call);
  co_return std::move(call.status);
}

// Ends the anchor, outside of its callbacks.
Recovery::Work Recovery::let_go() {
  if (anchor_ == nullptr) co_return Status();
  anchor_->close();
  co_await loop_.sleep_until(loop_.clock().monotonic_ns());
  co_await anchor_->settled();
  anchor_.reset();
  co_return Status();
}

}  // namespace ross::client
