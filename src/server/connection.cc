#include "server/connection.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "server/credentials.h"
#include "server/server.h"

namespace ross::server {
namespace {

using wire::Op;

constexpr std::size_t kSpareJobsMax = wire::kInflightMax;

bool acts_for_somebody(Op op) {
  switch (op) {
    case Op::kLookup:
    case Op::kMkdir:
    case Op::kMknod:
    case Op::kSymlink:
    case Op::kLink:
    case Op::kUnlink:
    case Op::kRmdir:
    case Op::kRename:
    case Op::kReaddir:
    case Op::kSetattr:
    case Op::kAccess:
    case Op::kGetxattr:
    case Op::kSetxattr:
    case Op::kListxattr:
    case Op::kRemovexattr:
    case Op::kOpen:
    case Op::kCreate:
    case Op::kCreateUnnamed:
    case Op::kPublish:
    case Op::kReopen:
      return true;
    default:
      return false;
  }
}

bool works_on_a_file(Op op) {
  switch (op) {
    case Op::kPublish:
    case Op::kClose:
    case Op::kRead:
    case Op::kWrite:
    case Op::kFallocate:
    case Op::kSeek:
    case Op::kFsync:
    case Op::kLock:
    case Op::kTestLock:
    case Op::kUnlockOwner:
      return true;
    default:
      return false;
  }
}

bool works_on_a_container(Op op) { return op <= Op::kStatfs || op == Op::kReopen; }

}  // namespace

Connection::Connection(Server& server, std::uint64_t id, std::unique_ptr<fabric::Channel> channel, std::size_t listener)
    : server_(server), id_(id), channel_(std::move(channel)), listener_(listener), lends_(server.may_lend(listener)) {
  greeting_.connection = this;
  greeting_.sent = [](fabric::Outgoing& self, bool) {
    const auto& greeting = static_cast<Greeting&>(self);
    if (greeting.refused) greeting.connection->cut_off();
  };
}

Connection::~Connection() {
  ROSS_CHECK(jobs_ == 0, "a connection was destroyed with requests at work");
  *alive_ = false;
}

// Finds or makes the session that the peer asks for, and tells it. A refusal is told, too, and is the end.
Status Connection::greet(std::span<const std::byte> head, std::size_t payload_bytes) {
  if (payload_bytes != 0) return Status(EBADMSG, "a greeting with a payload");
  wire::Welcome welcome{.pid = ::getpid()};
  std::string sentence;
  const Result<wire::Hello> hello = wire::decode_hello(head);
  Result<Session*> session = hello.has_value() ? server_.session_for(*hello, channel_->peer()) : fail(hello.error());
  if (session.has_value()) {
    session_ = *session;
    line_.share = &session_->share();
    greeted_ = true;
    kind_ = hello->kind;
    generation_ = hello->generation;
    if (kind_ == wire::Kind::kTransfers) {
      welcome.channel = channel_name_ = session_->join_for_transfers(*this);
    } else {
      session_->join(*this);
      if (session_->upstream() != nullptr) welcome.bits = wire::kWelcomeReach;
    }
    welcome.inflight_max = wire::kInflightMax;
    welcome.inflight_bytes_max = wire::kInflightBytesMax;
    if (kind_ == wire::Kind::kRequests) welcome.session = session_->token();
  } else {
    welcome.error = session.error().error();
    sentence = session.error().message();
    greeting_.refused = true;
  }
  wire::encode(welcome, sentence, greeting_.head);
  channel_->send(greeting_);
  return {};
}

Job& Connection::new_job() {
  Job* job = nullptr;
  if (spare_jobs_.empty()) {
    job = new Job;
    job->connection = this;
    job->sent = [](fabric::Outgoing& self, bool) {
      auto& done = static_cast<Job&>(self);
      if (--done.uses == 0) done.connection->release(done);
    };
  } else {
    job = spare_jobs_.back().release();
    spare_jobs_.pop_back();
  }
  ++jobs_;
  ++session_->jobs;
  return *job;
}

Result<memory::Memory> Connection::on_head(std::span<const std::byte> head, std::size_t payload_bytes) {
  if (kind_ == wire::Kind::kTransfers) return fail(EPROTO, "a message on a connection that is for transfers");
  if (session_ == nullptr) {
    if (greeting_.refused) return fail(EPROTO, "a request behind a refused greeting");
    if (const Status status = greet(head, payload_bytes); !status.ok()) return fail(status);
    return memory::Memory();
  }
  Job& job = new_job();
  landing_ = &job;  // release() of a closed connection finds it here
  job.bytes.assign(head.begin(), head.end());
  ROSS_TRY(job.request, wire::decode_request(job.bytes));
  if (const Status status = check_bounds(job, payload_bytes); !status.ok()) return fail(status);
  if (job.buffer_bytes > 0 && job.request.op == Op::kWrite && !passes_by(job)) {
    job.buffer = server_.buffers().take(job.buffer_bytes);
    if (job.buffer.data == nullptr) return fail(ENOMEM);
  }
  return memory::Memory(job.buffer.data, payload_bytes);
}

// Counts the job; a status for a peer to be cut off. Twice the grant, because a reply on its way there and the next
// request on its way here cross.
Status Connection::check_bounds(Job& job, std::size_t payload_bytes) {
  const wire::Request& request = job.request;
  if (payload_bytes != 0 && (request.op != Op::kWrite || !request.windows.empty())) {
    return Status(EBADMSG, "a payload with a request that has none");
  }
  if (request.slot != 0 && (!session_->outlives_connections() || !wire::is_change(request.op))) {
    return Status(EBADMSG, "a slot with a request that has none");
  }
  if (request.op == Op::kRead && request.b > wire::kPayloadBytesMax) {
    return Status(EBADMSG, "a read of more than one message holds");
  }
  job.buffer_bytes = request.op == Op::kRead ? static_cast<std::size_t>(request.b) : payload_bytes;
  if (request.op == Op::kWrite) {
    for (const wire::WindowPart& window : request.windows) job.buffer_bytes += window.size_bytes;
  }
  job.counted_bytes = job.bytes.size() + job.buffer_bytes;
  job.lock_wait = request.op == Op::kLock && request.mode == wire::kLockWait;
  if (job.lock_wait) {
    job.counted_bytes = 0;
    ++lock_waits_;
    ++session_->lock_waits;
    if (lock_waits_ > 2 * wire::kLockWaitsMax) return Status(EPROTO, "more waits for locks than granted");
    return {};
  }
  job.counted = true;
  ++inflight_;
  inflight_bytes_ += job.counted_bytes;
  if (inflight_ > 2 * wire::kInflightMax || inflight_bytes_ > 2 * std::uint64_t{wire::kInflightBytesMax}) {
    return Status(EPROTO, "more in flight than granted");
  }
  return {};
}

Status Connection::on_message() {
  if (landing_ == nullptr) return {};  // the greeting
  Job& job = *std::exchange(landing_, nullptr);
  job.reply = {};
  job.reply.id = job.request.id;
  job.reply_payload_bytes = 0;
  if (job.request.slot != 0 && dealt_with(job)) return {};
  if (Status status = prepare(job); !status.ok()) {
    finish(job, std::move(status));
    return {};
  }
  ++session_->usage.operations;
  if (session_->throttle() == nullptr || !held_back(job)) admit(job);
  return {};
}

void Connection::go_on(Job& job) {
  if (job.request.op != Op::kWrite || job.request.windows.empty() || passes_by(job)) {
    begin(job);
  } else if (Connection* const carrier = carrier_of(job)) {
    move(job, *carrier, job.buffer_bytes);
  } else {
    finish(job, no_carrier());
  }
}

// Whether the job's data goes past this server.
bool Connection::passes_by(const Job& job) const {
  return names_channel(job.request) && session_->upstream() != nullptr;
}

void Connection::begin(Job& job) {
  if (job.request.slot != 0) return begin_change(job);
  runtime::spawn(run(job), [&job](Status status) { job.connection->finish(job, std::move(status)); });
}

// Finds what the request works on and checks for whom it speaks.
Status Connection::prepare(Job& job) {
  const wire::Request& request = job.request;
  if (works_on_a_file(request.op) || (request.op == Op::kSetattr && request.file != 0)) {
    const auto found = session_->files.find(request.file);
    if (found == session_->files.end() || found->second->container != request.container || found->second->closing) {
      return unknown_handle("file");
    }
    job.file = found->second.get();
    ++job.file->users;
    job.fs = job.file->fs.get();
  } else if (works_on_a_container(request.op)) {
    const auto found = session_->containers.find(request.container);
    if (found == session_->containers.end()) return unknown_handle("container");
    job.fs_owner = found->second;
    job.fs = job.fs_owner.get();
  }
  if (job.fs != nullptr && session_->who().bounded()) ROSS_STATUS(check_access(job));
  return acts_for_somebody(request.op) ? check_credential(job) : Status();
}

Status Connection::check_credential(Job& job) const {
  const wire::Request& request = job.request;
  job.cred.uid = request.uid;
  job.cred.gid = request.gid;
  job.cred.groups.assign(request.groups.begin(), request.groups.end());
  return may_act_for(session_->peer(), request.uid, request.gid, request.groups);
}

// What the job has worked on.
void Connection::let_go(Job& job) {
  job.fs_owner.reset();
  if (job.file == nullptr) return;
  File& file = *std::exchange(job.file, nullptr);
  if (--file.users == 1 && file.closer) std::exchange(file.closer, {}).resume();
}

void Connection::finish(Job& job, Status status) {
  // Before the reply goes out: the peer may close the file as soon as it has it.
  let_go(job);
  if (job.settles) settle(job, status);
  if (closed_) return release(job);
  // A read that goes to windows; what was passed on has landed there already, or will.
  const bool puts = job.request.op == Op::kRead && !job.request.windows.empty() && !passes_by(job);
  Connection* const carrier = puts && status.ok() ? carrier_of(job) : nullptr;
  if (puts && status.ok() && carrier == nullptr) status = no_carrier();
  if (job.request.op == Op::kRead) return_unused(job, status.ok() ? job.reply.value : 0);
  server_.fair_queue().done(job);  // how long the peer takes to take the answer is no work here
  if (status.ok()) count_moved(job);
  if (!status.ok()) {
    job.reply.error = status.error();
    job.reply.retry = static_cast<std::uint8_t>(status.retry());
    job.reply.has_attr = false;
    job.text = status.message();
    job.reply_payload_bytes = 0;
  }
  // A message of any length is cut to what fits; texts made here fit already.
  job.reply.text = std::string_view(job.text).substr(0, wire::kTextBytesMax);
  job.head.clear();
  wire::encode(job.reply, job.head);
  job.payload = {};
  ++job.uses;
  if (job.request.windows.empty()) {
    job.payload = job.loan.lent() ? job.loan.memory() : memory::Memory(job.buffer.data, job.reply_payload_bytes);
  } else {
    if (carrier != nullptr) move(job, *carrier, job.reply_payload_bytes);
    if (carrier != nullptr && carrier != this) carrier->say_landed(job);
  }
  channel_->send(job);
  // Its reply may be there before its data is out, and the next request is then: what waits is the other channel's to bound.
  if (carrier != nullptr && carrier != this) uncount(job);
}

void Connection::uncount(Job& job) {
  if (!std::exchange(job.counted, false)) return;
  --inflight_;
  inflight_bytes_ -= job.counted_bytes;
}

// The last of a job: what it holds goes back.
void Connection::release(Job& job) {
  server_.fair_queue().done(job);
  if (job.buffer.data != nullptr) server_.buffers().give_back(job.buffer);
  if (job.loan.lent()) {
    lent_bytes_ -= job.buffer_bytes;
    ++loans_ended_;
    job.loan.give_back();
  }
  if (job.lock_wait) {
    --lock_waits_;
    --session_->lock_waits;
  } else {
    uncount(job);
  }
  --jobs_;
  --session_->jobs;
  job.fs = nullptr;
  job.buffer = {};
  job.buffer_bytes = 0;
  job.uses = 0;
  job.failed = false;
  job.counted_bytes = 0;
  job.counted = false;
  job.lock_wait = false;
  job.limited = false;
  job.text.clear();
  if (spare_jobs_.size() < kSpareJobsMax) {
    spare_jobs_.emplace_back(&job);
  } else {
    delete &job;
  }
  end_if_idle();
}

void Connection::on_closed(const Status&) {
  closed_ = true;
  if (kind_ == wire::Kind::kTransfers) {
    if (session_ != nullptr) session_->leave_for_transfers(*this);
    return server_.connection_ended(*this);
  }
  if (session_ != nullptr) session_->leave(*this);
  // Nobody waits for their answers; with the last of them this connection may end.
  std::vector<Job*> left;
  for (const Held& held : std::exchange(held_, {})) left.push_back(held.job);
  for (FairQueue::Item* item = server_.fair_queue().drop(line_); item != nullptr; item = item->next) {
    left.push_back(static_cast<Job*>(item));
  }
  if (landing_ != nullptr) left.push_back(std::exchange(landing_, nullptr));
  if (left.empty()) return end_if_idle();
  for (Job* const job : left) {
    if (job->limited) session_->throttle()->give_back(job->buffer_bytes, 1);
    let_go(*job);
    release(*job);
  }
}

// Requests that are still at work keep the connection; the session goes on without it.
void Connection::end_if_idle() {
  if (!closed_ || jobs_ != 0) return;
  server_.connection_ended(*this);
}

}  // namespace ross::server
