// What a tenant's session may do, request by request. A container of which its tenant may know nothing is one that is not there.
#include <fmt/format.h>
#include <unistd.h>

#include "server/connection.h"
#include "server/server.h"

namespace ross::server {
namespace {

using identity::Access;
using identity::Reason;
using wire::Op;

Access needed(const wire::Request& request) {
  constexpr std::uint64_t kWrites = wire::kOpenWrite | wire::kOpenAppend | wire::kOpenTruncate;
  const auto when = [](bool writes) { return writes ? Access::kWrite : Access::kRead; };
  switch (request.op) {
    case Op::kMkdir:
    case Op::kMknod:
    case Op::kSymlink:
    case Op::kLink:
    case Op::kUnlink:
    case Op::kRmdir:
    case Op::kRename:
    case Op::kSetattr:
    case Op::kSetxattr:
    case Op::kRemovexattr:
    case Op::kCreate:
    case Op::kCreateUnnamed:
    case Op::kPublish:
    case Op::kWrite:
    case Op::kFallocate:
      return Access::kWrite;
    case Op::kOpen:
    case Op::kReopen:
      return when((request.mode & kWrites) != 0);
    case Op::kAccess:
      return when((request.mode & W_OK) != 0);
    default:
      return Access::kRead;
  }
}

// What needs no right to change anything, so that a tenant whose right has shrunk can still let go of what it has.
bool lets_go(Op op) { return op == Op::kClose || op == Op::kUnlockOwner; }

}  // namespace

Status Connection::check_access(const Job& job) const {
  const wire::Request& request = job.request;
  const auto found = session_->places.find(request.container);
  const Access has = found == session_->places.end() ? Access::kNone : found->second.access;
  const Access needs = needed(request);
  if (has >= needs || lets_go(request.op)) return {};
  server_.refuse(Reason::kMissingRight, session_->who(), session_->peer(),
                 fmt::format("{} {}/{}", identity::to_word(needs), server_.export_name(),
                             found == session_->places.end() ? std::string_view("?") : found->second.name));
  if (has == Access::kNone) return Status(EACCES, "the tenant may not use this container any more");
  return Status(EROFS, fmt::format("tenant {} may only read this container", session_->who().name()));
}

Status Connection::may_administer(std::string_view container) const {
  const identity::Principal& who = session_->who();
  const Access has = who.access(server_.export_name(), container);
  if (has == Access::kAdmin) return {};
  server_.refuse(Reason::kMissingRight, who, session_->peer(),
                 fmt::format("admin {}/{}", server_.export_name(), container));
  return Status(EACCES,
                fmt::format("tenant {} does not administer {}/{}", who.name(), server_.export_name(), container));
}

bool Connection::sees(std::string_view container) const {
  return session_->who().access(server_.export_name(), container) != Access::kNone;
}

// The sentence for one that is not there (engine/pool.cc).
Status Connection::absent(std::string_view container) const {
  server_.refuse(Reason::kNotYours, session_->who(), session_->peer(),
                 fmt::format("{}/{}", server_.export_name(), container));
  return Status(ENOENT, fmt::format("no container '{}': make it with ross container create", container));
}

Status Connection::unknown_handle(std::string_view what) const {
  if (session_->who().bounded()) server_.refuse(Reason::kHandle, session_->who(), session_->peer(), what);
  return what == "file" ? Status(EBADF) : Status(EBADF, "no such container is open in this session");
}

// Of the containers upstream those that the tenant may know of. A page of which none is left is not the end: the next one is asked for.
Connection::Work Connection::list_upstream(Job& job) {
  std::string behind(job.request.name);
  for (;;) {
    wire::Request request = job.request;
    request.name = behind;
    const Result<client::Answer> answer = co_await session_->upstream()->call(request, {}, {});
    if (!answer.has_value()) co_return answer.error();
    const auto page = wire::decode_containers(answer->text);
    if (!page.has_value()) co_return page.error();
    for (const wire::Container& container : *page) {
      if (sees(container.name) && !wire::append(container, job.text)) break;
    }
    if (page->empty() || !job.text.empty()) co_return Status();
    behind = page->back().name;
  }
}

void Server::refuse(identity::Reason reason, const identity::Principal& who, const fabric::Peer& peer,
                    std::string_view what) const {
  if (options_.tenants == nullptr) return;
  options_.tenants->refuse(reason, who, {.peer = fmt::format("uid {} pid {}", peer.uid, peer.pid), .what = what});
}

}  // namespace ross::server
