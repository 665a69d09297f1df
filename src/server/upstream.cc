// What is different in an agent's server, whose sessions each have one at the server upstream. Requests on files and names go
// there through the file system; those on the session and the pool are passed on as they are, with the numbers they have.
#include "client/remote_file_system.h"
#include "server/connection.h"
#include "server/server.h"

namespace ross::server {

// ---- the session ----

runtime::Task<Result<Session*>> Server::begin_upstream(const Applicant& applicant) {
  const bool outlives = applicant.client != wire::ClientId{};
  // It asks again before the first answer: two sessions upstream would cut each other off.
  if (outlives && !beginning_upstream_.insert(applicant.client).second) {
    co_return fail(EAGAIN, "the session is being begun", Retry::kNow);
  }
  Result<std::unique_ptr<client::Session>> begun = co_await options_.upstream(applicant, worker_);
  beginning_upstream_.erase(applicant.client);
  if (!begun.has_value()) co_return fail(std::move(begun).error());
  std::shared_ptr<client::Session> upstream = *std::move(begun);
  const Result<Session*> made = new_session(applicant.peer, applicant.client, applicant.who);
  if (!made.has_value()) {
    static_cast<void>(co_await upstream->leave(!applicant.returning));
    co_return fail(made.error());
  }
  (*made)->set_upstream(std::move(upstream));
  (*made)->reclaiming = applicant.returning;
  co_return *made;
}

// What a client holds that will come back to this server's next life stays as it is upstream.
runtime::Task<Status> Session::leave_upstream() {
  const bool returns = outlives_connections() && !ended_ && server_.stopping();
  static_cast<void>(co_await upstream_->leave(!returns));
  runtime::Loop& loop = server_.loop();
  while (jobs > 0) {
    constexpr std::int64_t kAgainNs = 5'000'000;
    co_await loop.sleep_until(loop.clock().monotonic_ns() + kAgainNs);
  }
  files.clear();
  containers.clear();
  upstream_.reset();
  co_return Status();
}

// ---- requests ----

// Whether a change may go by the id it has: one that the server's own requests do not use, and no other change under way.
bool Connection::may_go_upstream(const Job& job) {
  const std::uint64_t id = job.request.id;
  return id != 0 && id < wire::kAgentIdsBegin && session_->ids_upstream.insert(id).second;
}

Connection::Work Connection::pass_on(Job& job) {
  Result<client::Answer> answer = co_await session_->upstream()->call(job.request, {}, {});
  if (!answer.has_value()) co_return std::move(answer).error();
  job.reply.value = answer->value;
  job.reply.created = answer->created;
  job.reply.has_attr = answer->has_attr;
  job.reply.attr = answer->attr;
  job.text = std::move(answer->text);
  co_return Status();
}

// The windows go on to who has the channel they are for, if nobody in between must see the data.
Connection::Work Connection::pass_windows(Job& job) {
  const wire::Request& request = job.request;
  if (!server_.places_directly() || session_->staged.contains(request.container) || !job.fs->passes_windows()) {
    co_return Status(EIO, "the agent stages the data of this container", Retry::kEndpoint);
  }
  const memory::Windows windows{.channel = request.node,
                                .ticket = request.other,
                                .parts = request.windows,
                                .owner_checks = request.mode == wire::kReadChecksums,
                                .checksums = &job.text};
  const memory::Memory memory(windows);
  Result<std::uint64_t> moved = fail(EBADMSG);
  if (request.op == wire::Op::kRead) {
    moved = co_await job.fs->read(job.file->id, request.a, memory);
  } else {
    moved = co_await job.fs->write(job.file->id, request.a, memory);
  }
  if (!moved.has_value()) co_return std::move(moved).error();
  job.reply.value = *moved;
  co_return Status();
}

Connection::Work Connection::open_container_upstream(Job& job) {
  if (Status status = co_await pass_on(job); !status.ok()) co_return status;
  const auto number = static_cast<std::uint32_t>(job.reply.value);
  auto& container = session_->containers[number];
  if (container == nullptr) container = client::open_by_number(session_->upstream(), number);
  if (server_.stages(job.request.name)) {
    session_->staged.insert(number);
    job.text = "the agent stages the data of this container";
  }
  co_return Status();
}

// A file that the client has open: upstream it still is, or is opened again there.
Connection::Work Connection::reopen_upstream(Job& job) {
  if (Status status = co_await pass_on(job); !status.ok()) co_return status;
  auto file = std::make_unique<File>();
  file->fs = job.fs_owner;
  file->container = job.request.container;
  file->id = fs::FileId(job.request.file);
  session_->files.emplace(job.request.file, std::move(file));
  co_return Status();
}

}  // namespace ross::server
