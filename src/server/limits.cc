// Requests that wait for the limits of their tenant. They count in what the connection has in flight, so a peer stops asking before many
// wait; what a write has brought along waits in its buffer.
#include "server/connection.h"
#include "server/server.h"

namespace ross::server {
namespace {

// What gives back, or keeps the session, waits for nobody.
bool is_free(wire::Op op) {
  switch (op) {
    case wire::Op::kClose:
    case wire::Op::kUnlockOwner:
    case wire::Op::kContainerClose:
    case wire::Op::kEnd:
    case wire::Op::kPing:
    case wire::Op::kReopen:
    case wire::Op::kReclaimed:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool Connection::held_back(Job& job) {
  if (is_free(job.request.op)) return false;
  const std::int64_t now_ns = server_.loop().clock().monotonic_ns();
  const std::int64_t at_ns = session_->throttle()->take(job.buffer_bytes, now_ns);
  if (at_ns <= now_ns && held_.empty()) return false;
  held_.push_back({.at_ns = at_ns, .job = &job});
  if (held_.size() == 1) let_due_go_on();
  return true;
}

void Connection::let_due_go_on() {
  const std::int64_t now_ns = server_.loop().clock().monotonic_ns();
  while (!held_.empty() && held_.front().at_ns <= now_ns) {
    Job& job = *held_.front().job;
    held_.pop_front();
    go_on(job);
  }
  if (held_.empty()) return;
  server_.loop().at(held_.front().at_ns, [this, alive = alive_] {
    if (*alive) let_due_go_on();
  });
}

}  // namespace ross::server
