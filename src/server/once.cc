// A change is made once, however often it is asked for: a client that lost its connection before it had the answer asks again,
// under the same slot and id.
#include "client/translate.h"
#include "engine/clients.h"
#include "fs/change_id.h"
#include "server/connection.h"
#include "server/server.h"

namespace ross::server {
namespace {

using wire::Op;
using Slot = Session::Slot;

bool opens(Op op) { return op == Op::kOpen || op == Op::kCreate || op == Op::kCreateUnnamed; }

// Whether it changes what a store holds. The others are the session's alone, which a client asks for again when it comes back.
bool changes_the_store(Op op) {
  return op != Op::kClose && op != Op::kLock && op != Op::kUnlockOwner && op != Op::kContainerOpen &&
         op != Op::kContainerClose;
}

std::uint64_t open_bits(const wire::Request& request) {
  return request.op == Op::kCreate          ? request.a
         : request.op == Op::kCreateUnnamed ? std::uint64_t{wire::kOpenRead} | wire::kOpenWrite
                                            : request.mode;
}

}  // namespace

// Whether the job is one that was asked for before: then it gets its answer, now or with the first.
bool Connection::dealt_with(Job& job) {
  const auto found = session_->slots.find(job.request.slot);
  if (found == session_->slots.end() || found->second.id < job.request.id) {
    if (found == session_->slots.end() || found->second.state != Slot::State::kUnderWay) return false;
    finish(job, Status(EPROTO, "a slot was used again before its change was answered"));
    return true;
  }
  Slot& slot = found->second;
  if (slot.id > job.request.id) {
    finish(job, Status(EPROTO, "a change was asked for again behind a later one of its slot"));
    return true;
  }
  if (slot.state == Slot::State::kFailed) return false;
  server_.was_asked_again(slot.from_store);
  if (slot.state == Slot::State::kUnderWay) {
    slot.waiting.push_back(&job);
    return true;
  }
  if (slot.from_store && opens(job.request.op)) {
    // The file is there, and not open any more.
    Status status = prepare(job);
    if (!status.ok()) return finish(job, std::move(status)), true;
    job.reply.created = slot.created;
    slot.state = Slot::State::kUnderWay;
    job.settles = true;
    const std::uint64_t number = session_->next_file++;
    const std::uint64_t node = job.request.op == Op::kOpen ? job.request.node : slot.attr.node;
    runtime::spawn(open_again(job, node, open_bits(job.request), number),
                   [&job](Status opened) { job.connection->finish(job, std::move(opened)); });
    return true;
  }
  answer_again(job, slot);
  finish(job, Status());
  return true;
}

void Connection::answer_again(Job& job, const Slot& slot) {
  job.reply.value = slot.value;
  job.reply.created = slot.created;
  job.reply.has_attr = slot.has_attr;
  job.reply.attr = slot.attr;
}

void Connection::begin_change(Job& job) {
  if (dealt_with(job)) return;  // its data took a while to come
  if (session_->upstream() != nullptr && !may_go_upstream(job))
    return finish(job, Status(EPROTO, "a change with an id that is in use"));
  Slot& slot = session_->slots[job.request.slot];
  slot = {};
  slot.id = job.request.id;
  job.settles = true;
  runtime::spawn(change_once(job), [&job](Status status) { job.connection->finish(job, std::move(status)); });
}

// The change and, with a store that remembers, the record that it was made; the answer waits until both outlive this process.
Connection::Work Connection::change_once(Job& job) {
  engine::Clients* const clients = server_.clients();
  const bool upstream = session_->upstream() != nullptr;
  if (!upstream && (clients == nullptr || !changes_the_store(job.request.op))) co_return co_await run(job);
  fs::name_next_change({.client = session_->client(), .slot = job.request.slot, .sequence = job.request.id});
  Status status = co_await run(job);
  fs::name_next_change({});  // what was refused before it began
  if (!status.ok() || upstream) co_return status;
  co_return co_await clients->keep();
}

// The outcome of a change, for all who asked for it. One that failed has changed nothing, and may be tried again.
void Connection::settle(Job& job, const Status& status) {
  job.settles = false;
  session_->ids_upstream.erase(job.request.id);
  Slot& slot = session_->slots.at(job.request.slot);
  slot.state = status.ok() ? Slot::State::kDone : Slot::State::kFailed;
  slot.from_store = false;
  slot.value = job.reply.value;
  slot.created = job.reply.created;
  slot.has_attr = job.reply.has_attr;
  slot.attr = job.reply.attr;
  const std::vector<Job*> waiting = std::move(slot.waiting);
  slot.waiting.clear();
  const Slot outcome = slot;
  for (Job* const again : waiting) {
    answer_again(*again, outcome);
    again->connection->finish(*again, status);
  }
}

}  // namespace ross::server
