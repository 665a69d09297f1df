// What each request on a container or a file does: checks what the peer says, calls the file system, fills the reply.
//
// One small coroutine per call, so that its frame is small; request and reply live in the Job, which outlives it.
#include <unistd.h>

#include <algorithm>

#include "client/translate.h"
#include "fs/change_id.h"
#include "server/connection.h"
#include "server/server.h"

namespace ross::server {
namespace {

using wire::Op;

// An enumeration from outside, at most last.
template <class Enum>
Result<Enum> enumeration(std::uint32_t value, Enum last) {
  if (value > static_cast<std::uint32_t>(last)) return fail(EINVAL, "a request with a value that means nothing");
  return static_cast<Enum>(value);
}

}  // namespace

void answer(wire::Reply& reply, const fs::Attr& attr) {
  reply.has_attr = true;
  reply.attr = client::to_wire(attr);
}

#define ROSS_JOB_TRY(variable, expression)                    \
  auto ROSS_CONCAT(try_, __LINE__) = (expression);            \
  if (!ROSS_CONCAT(try_, __LINE__).has_value()) [[unlikely]]  \
    co_return std::move(ROSS_CONCAT(try_, __LINE__)).error(); \
  variable = *std::move(ROSS_CONCAT(try_, __LINE__))

Connection::Work Connection::run(Job& job) {
  switch (job.request.op) {
    case Op::kLookup:
      return lookup(job);
    case Op::kGetattr:
      return getattr(job);
    case Op::kRead:
      return read(job);
    case Op::kWrite:
      return write(job);
    case Op::kMkdir:
    case Op::kMknod:
    case Op::kSymlink:
    case Op::kLink:
      return name_request(job);
    case Op::kUnlink:
    case Op::kRmdir:
    case Op::kRename:
    case Op::kAccess:
    case Op::kSetxattr:
    case Op::kRemovexattr:
    case Op::kPublish:
      return change_request(job);
    case Op::kReaddir:
      return list(job);
    case Op::kSetattr:
      return setattr(job);
    case Op::kParent:
    case Op::kReadlink:
    case Op::kGetxattr:
    case Op::kListxattr:
      return get_text(job);
    case Op::kOpen:
    case Op::kCreate:
    case Op::kCreateUnnamed:
      return open(job);
    case Op::kClose:
      return close(job);
    case Op::kFallocate:
    case Op::kSeek:
    case Op::kFsync:
    case Op::kSync:
      return file_request(job);
    case Op::kLock:
    case Op::kUnlockOwner:
      return lock(job);
    case Op::kTestLock:
      return test_lock(job);
    case Op::kStatfs:
      return statfs(job);
    case Op::kContainerOpen:
      return open_container(job);
    case Op::kContainerClose:
      return close_container(job);
    case Op::kContainerCreate:
    case Op::kContainerSet:
    case Op::kContainerDestroy:
    case Op::kPoolSync:
      return pool_request(job);
    case Op::kContainerInfo:
    case Op::kContainerList:
    case Op::kPoolInfo:
      return pool_text(job);
    case Op::kEnd:
      return end_session();
    case Op::kPing:
      return Work::ready(Status());
    case Op::kReopen:
      // To a new agent its client says again what is open here; it gets what it has, and nothing else.
      if (!session_->reclaiming && !(session_->relayed && session_->files.contains(job.request.file))) {
        return Work::ready(Status(EPERM, "nothing is to be reclaimed"));
      }
      return open_again(job, job.request.node, job.request.mode, job.request.file);
    case Op::kReclaimed:
      return reclaimed(job);
    case Op::kReach:
      return reach(job);
  }
  return Work::ready(Status(EBADMSG, "a request for nothing known"));
}

Connection::Work Connection::lookup(Job& job) {
  ROSS_JOB_TRY(const fs::Attr attr, co_await job.fs->lookup(job.cred, fs::NodeId(job.request.node), job.request.name));
  answer(job.reply, attr);
  co_return Status();
}

Connection::Work Connection::getattr(Job& job) {
  ROSS_JOB_TRY(const fs::Attr attr, co_await job.fs->getattr(fs::NodeId(job.request.node)));
  answer(job.reply, attr);
  co_return Status();
}

Connection::Work Connection::read(Job& job) {
  if (job.request.mode > wire::kReadChecksums) co_return Status(EINVAL, "a request with a value that means nothing");
  if (passes_by(job)) co_return co_await pass_windows(job);
  const Connection* const carrier = carrier_of(job);
  if (carrier == nullptr) co_return no_carrier();
  // From where it lies, if the peer's network can fetch it there and the peer does not keep much waiting: what is lent
  // keeps freed space from being used again.
  if (carrier->lends_ && lent_bytes_ + job.buffer_bytes <= kLentBytesMax) {
    lent_bytes_ += job.buffer_bytes;
    if (job.request.mode == wire::kReadChecksums) job.loan.leave_checks_to_reader();
    const Result<bool> lent = co_await job.fs->lend(job.file->id, job.request.a, job.buffer_bytes, job.loan);
    if (!job.loan.lent()) {
      lent_bytes_ -= job.buffer_bytes;
      job.loan.give_back();
    }
    if (!lent.has_value()) co_return lent.error();
    if (*lent) {
      job.reply.value = job.reply_payload_bytes = job.loan.memory().size_bytes();
      const auto checksums = std::as_bytes(job.loan.checksums());
      job.text.assign(reinterpret_cast<const char*>(checksums.data()), checksums.size());
      watch_loans();
      co_return Status();
    }
  }
  if (job.buffer_bytes > 0) {
    job.buffer = server_.buffers().take(job.buffer_bytes);
    if (job.buffer.data == nullptr) co_return Status(ENOMEM, "the server is short of memory for transfers");
  }
  const memory::Memory into(job.buffer.data, job.buffer_bytes);
  ROSS_JOB_TRY(const std::uint64_t got, co_await job.fs->read(job.file->id, job.request.a, into));
  job.reply.value = got;
  job.reply_payload_bytes = got;
  co_return Status();
}

Connection::Work Connection::write(Job& job) {
  if (passes_by(job)) co_return co_await pass_windows(job);
  const memory::Memory from(job.buffer.data, job.buffer_bytes);
  ROSS_JOB_TRY(job.reply.value, co_await job.fs->write(job.file->id, job.request.a, from));
  co_return Status();
}

Connection::Work Connection::name_request(Job& job) {
  const wire::Request& request = job.request;
  const fs::NodeId node(request.node);
  Result<fs::Attr> made = fail(EBADMSG);
  switch (request.op) {
    case Op::kMkdir:
      made = co_await job.fs->mkdir(job.cred, node, request.name, request.mode);
      break;
    case Op::kMknod:
      made = co_await job.fs->mknod(job.cred, node, request.name, request.mode, request.a);
      break;
    case Op::kSymlink:
      made = co_await job.fs->symlink(job.cred, node, request.name, request.text);
      break;
    default:
      made = co_await job.fs->link(job.cred, node, fs::NodeId(request.other), request.name);
      break;
  }
  if (!made.has_value()) co_return std::move(made).error();
  answer(job.reply, *made);
  co_return Status();
}

Connection::Work Connection::change_request(Job& job) {
  const wire::Request& request = job.request;
  const fs::NodeId node(request.node);
  switch (request.op) {
    case Op::kUnlink:
      co_return co_await job.fs->unlink(job.cred, node, request.name);
    case Op::kRmdir:
      co_return co_await job.fs->rmdir(job.cred, node, request.name);
    case Op::kRename: {
      ROSS_JOB_TRY(const fs::RenameFlags flags, enumeration(request.mode, fs::RenameFlags::kExchange));
      co_return co_await job.fs->rename(job.cred, node, request.name, fs::NodeId(request.other), request.name2, flags);
    }
    case Op::kAccess:
      if (request.mode > (R_OK | W_OK | X_OK)) co_return Status(EINVAL);
      co_return co_await job.fs->access(job.cred, node, static_cast<int>(request.mode));
    case Op::kSetxattr: {
      ROSS_JOB_TRY(const fs::XattrFlags flags, enumeration(request.mode, fs::XattrFlags::kReplace));
      co_return co_await job.fs->setxattr(job.cred, node, request.name, request.text, flags);
    }
    case Op::kRemovexattr:
      co_return co_await job.fs->removexattr(job.cred, node, request.name);
    default:
      co_return co_await job.fs->publish(job.cred, job.file->id, node, request.name);
  }
}

Connection::Work Connection::list(Job& job) {
  const wire::Request& request = job.request;
  fs::ReaddirOptions options;
  options.cursor = request.a;
  options.entries_max = static_cast<std::size_t>(std::clamp<std::uint64_t>(request.b, 1, wire::kEntriesMax));
  options.with_attr = request.mode != 0;
  ROSS_JOB_TRY(const std::vector<fs::DirEntry> entries,
               co_await job.fs->readdir(job.cred, fs::NodeId(request.node), options));
  for (const fs::DirEntry& entry : entries) {
    wire::DirEntry item{.name = entry.name, .node = entry.node.value, .cursor = entry.cursor, .type = entry.type};
    item.has_attr = entry.attr.has_value();
    if (entry.attr.has_value()) item.attr = client::to_wire(*entry.attr);
    if (!wire::append(item, job.text)) break;  // the peer goes on behind the last that fitted
  }
  co_return Status();
}

Connection::Work Connection::setattr(Job& job) {
  ROSS_JOB_TRY(const wire::SetAttr asked, wire::from_text<wire::SetAttr>(job.request.text));
  ROSS_JOB_TRY(const fs::SetAttr change, client::from_wire(asked));
  std::optional<fs::FileId> file;
  if (job.file != nullptr) file = job.file->id;
  ROSS_JOB_TRY(const fs::Attr attr, co_await job.fs->setattr(job.cred, fs::NodeId(job.request.node), change, file));
  answer(job.reply, attr);
  co_return Status();
}

Connection::Work Connection::get_text(Job& job) {
  const wire::Request& request = job.request;
  const fs::NodeId node(request.node);
  switch (request.op) {
    case Op::kParent: {
      ROSS_JOB_TRY(const fs::NodeId parent, co_await job.fs->parent(node));
      job.reply.value = parent.value;
      co_return Status();
    }
    case Op::kReadlink: {
      ROSS_JOB_TRY(job.text, co_await job.fs->readlink(node));
      break;
    }
    case Op::kGetxattr: {
      ROSS_JOB_TRY(job.text, co_await job.fs->getxattr(job.cred, node, request.name));
      break;
    }
    default: {
      ROSS_JOB_TRY(const std::vector<std::string> names, co_await job.fs->listxattr(job.cred, node));
      for (const std::string& name : names) {
        if (!wire::append_name(name, job.text)) co_return Status(E2BIG);
      }
      break;
    }
  }
  if (job.text.size() > wire::kTextBytesMax) co_return Status(EIO, "the file system answers more than it may");
  co_return Status();
}

Connection::Work Connection::open(Job& job) {
  const wire::Request& request = job.request;
  if (session_->files.size() + session_->opening >= wire::kOpenFilesMax) {
    co_return Status(EMFILE, "this process has too many files open");
  }
  const std::uint64_t bits = request.op == Op::kCreate ? request.a : request.op == Op::kOpen ? request.mode : 0;
  ROSS_JOB_TRY(const fs::OpenFlags flags, client::open_flags_from_wire(bits));
  const fs::NodeId node(request.node);
  Result<fs::Opened> opened = fail(EBADMSG);
  ++session_->opening;
  if (request.op == Op::kOpen) {
    opened = co_await job.fs->open(job.cred, node, flags);
  } else if (request.op == Op::kCreate) {
    opened = co_await job.fs->create(job.cred, node, request.name, request.mode, flags);
  } else {
    opened = co_await job.fs->create_unnamed(job.cred, node, request.mode);
  }
  --session_->opening;
  if (!opened.has_value()) co_return std::move(opened).error();
  add_file(job, *opened, session_->upstream() != nullptr ? opened->file.value : session_->next_file);
  job.reply.created = opened->created;
  co_return Status();
}

// Also when the connection has ended meanwhile: clean_up() waits for this job and closes the file then.
void Connection::add_file(Job& job, const fs::Opened& opened, std::uint64_t number) {
  auto file = std::make_unique<File>();
  file->fs = job.fs_owner;
  file->container = job.request.container;
  file->id = opened.file;
  session_->files.emplace(number, std::move(file));
  session_->next_file = std::max(session_->next_file, number + 1);
  job.reply.value = number;
  answer(job.reply, opened.attr);
}

namespace {

// Until the job that closes a file is the only one at work on it.
struct OthersAreDone {
  Session::File& file;
  [[nodiscard]] bool await_ready() const { return file.users == 1; }
  void await_suspend(std::coroutine_handle<> closer) const { file.closer = closer; }
  void await_resume() const {}
};

}  // namespace

Connection::Work Connection::close(Job& job) {
  const fs::ChangeId name = fs::take_change_id();  // not for whatever begins while this one waits
  job.file->closing = true;
  co_await OthersAreDone{*job.file};
  const auto found = session_->files.find(job.request.file);
  const std::unique_ptr<File> file = std::move(found->second);
  session_->files.erase(found);
  job.file = nullptr;
  if (session_->upstream() == nullptr) {
    for (const std::uint64_t owner : file->owners) static_cast<void>(co_await file->fs->unlock_owner(file->id, owner));
  }
  fs::name_next_change(name);
  co_return co_await file->fs->close(file->id);
}

Connection::Work Connection::file_request(Job& job) {
  const wire::Request& request = job.request;
  switch (request.op) {
    case Op::kFallocate: {
      ROSS_JOB_TRY(const fs::Fallocate kind, enumeration(request.mode, fs::Fallocate::kZeroRange));
      co_return co_await job.fs->fallocate(job.file->id, kind, request.a, request.b);
    }
    case Op::kSeek: {
      ROSS_JOB_TRY(const fs::SeekKind kind, enumeration(request.mode, fs::SeekKind::kHole));
      ROSS_JOB_TRY(job.reply.value, co_await job.fs->seek(job.file->id, kind, request.a));
      co_return Status();
    }
    case Op::kFsync:
      co_return co_await job.fs->fsync(job.file->id, request.mode != 0);
    default:
      co_return co_await job.fs->sync();
  }
}

Connection::Work Connection::lock(Job& job) {
  const wire::Request& request = job.request;
  if (request.op == Op::kUnlockOwner) {
    if (session_->upstream() != nullptr) co_return co_await job.fs->unlock_owner(job.file->id, request.a);
    const auto found = session_->owners.find(request.a);
    if (found == session_->owners.end()) co_return Status();  // holds nothing
    const std::uint64_t owner = found->second;
    co_return co_await job.fs->unlock_owner(job.file->id, owner);
  }
  ROSS_JOB_TRY(const wire::Lock asked, wire::from_text<wire::Lock>(request.text));
  ROSS_JOB_TRY(fs::LockRange range, client::from_wire(asked));
  ROSS_JOB_TRY(range.owner, session_->owner_for(range.owner));
  // Whoever held it in the server's earlier life gets it back first.
  const bool held = request.mode == wire::kLockReclaim && (session_->reclaiming || session_->relayed);
  if (held && session_->upstream() != nullptr) co_return co_await pass_on(job);
  if (!held && server_.grace()) {
    if (Status status = co_await server_.grace_ends(); !status.ok()) co_return status;
  }
  job.file->owners.insert(range.owner);
  co_return co_await job.fs->lock(job.file->id, range, request.mode == wire::kLockWait);
}

Connection::Work Connection::test_lock(Job& job) {
  ROSS_JOB_TRY(const wire::Lock asked, wire::from_text<wire::Lock>(job.request.text));
  ROSS_JOB_TRY(fs::LockRange range, client::from_wire(asked));
  ROSS_JOB_TRY(range.owner, session_->owner_for(range.owner));
  if (server_.grace()) {
    if (Status status = co_await server_.grace_ends(); !status.ok()) co_return status;
  }
  ROSS_JOB_TRY(fs::LockRange found, co_await job.fs->test_lock(job.file->id, range));
  // Its own owners a peer knows by its own numbers; others keep the server's, which mean only "somebody else".
  const auto own = session_->peers_owners.find(found.owner);
  if (own != session_->peers_owners.end()) found.owner = own->second;
  job.text = wire::as_text(client::to_wire(found));
  co_return Status();
}

Connection::Work Connection::statfs(Job& job) {
  ROSS_JOB_TRY(const fs::StatFs stat, co_await job.fs->statfs());
  const wire::StatFs found{.total_bytes = stat.total_bytes,
                           .free_bytes = stat.free_bytes,
                           .nodes_total = stat.nodes_total,
                           .nodes_used = stat.nodes_used,
                           .block_bytes = stat.block_bytes,
                           .name_bytes_max = stat.name_bytes_max};
  job.text = wire::as_text(found);
  co_return Status();
}

}  // namespace ross::server
