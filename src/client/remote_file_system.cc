#include "client/remote_file_system.h"

#include <algorithm>

#include "base/log.h"
#include "client/checksums.h"
#include "client/translate.h"

namespace ross::client {
namespace {

using fs::Async;
using fs::AsyncStatus;
using fs::Attr;
using fs::Credential;
using fs::FileId;
using fs::NodeId;
using memory::Memory;
using wire::Op;
using wire::Request;

// What the wire cannot carry the file system would refuse all the same.
int name_error(std::string_view name) {
  if (name.empty()) return EINVAL;
  return name.size() > wire::kNameBytesMax ? ENAMETOOLONG : 0;
}

class RemoteFileSystem final : public fs::FileSystem {
 public:
  // The session is shared with the other containers opened over it.
  // closes: the server is told when it goes. staged: no data goes past an agent.
  RemoteFileSystem(std::shared_ptr<Session> session, std::uint32_t container, bool closes, bool staged = false)
      : session_(std::move(session)), container_(container), closes_(closes), staged_(staged) {}
  ~RemoteFileSystem() override {
    if (!closes_) return;
    static_cast<void>(session_->call_and_wait({.op = Op::kContainerClose, .container = container_}));
  }

  // ---- names ----
  Async<Attr> lookup(const Credential& cred, NodeId parent, std::string_view name) override {
    return attr_call(cred, {.op = Op::kLookup, .node = parent.value, .name = name}, name_error(name));
  }
  Async<NodeId> parent(NodeId node) override {
    Request request{.op = Op::kParent, .container = container_, .node = node.value};
    ROSS_CO_TRY(const Answer answer, co_await session_->call(request, {}, {}));
    co_return NodeId(answer.value);
  }
  Async<Attr> mkdir(const Credential& cred, NodeId parent, std::string_view name, std::uint32_t mode) override {
    return attr_call(cred, {.op = Op::kMkdir, .node = parent.value, .mode = mode, .name = name}, name_error(name));
  }
  Async<Attr> mknod(const Credential& cred, NodeId parent, std::string_view name, std::uint32_t mode,
                    std::uint64_t rdev) override {
    return attr_call(cred, {.op = Op::kMknod, .node = parent.value, .a = rdev, .mode = mode, .name = name},
                     name_error(name));
  }
  Async<Attr> symlink(const Credential& cred, NodeId parent, std::string_view name, std::string_view target) override {
    const int error = target.size() > fs::kSymlinkBytesMax ? ENAMETOOLONG : name_error(name);
    return attr_call(cred, {.op = Op::kSymlink, .node = parent.value, .name = name, .text = target}, error);
  }
  Async<std::string> readlink(NodeId node) override {
    Request request{.op = Op::kReadlink, .container = container_, .node = node.value};
    ROSS_CO_TRY(Answer answer, co_await session_->call(request, {}, {}));
    co_return std::move(answer.text);
  }
  Async<Attr> link(const Credential& cred, NodeId node, NodeId parent, std::string_view name) override {
    return attr_call(cred, {.op = Op::kLink, .node = node.value, .other = parent.value, .name = name},
                     name_error(name));
  }
  AsyncStatus unlink(const Credential& cred, NodeId parent, std::string_view name) override {
    return status_call(&cred, {.op = Op::kUnlink, .node = parent.value, .name = name}, name_error(name));
  }
  AsyncStatus rmdir(const Credential& cred, NodeId parent, std::string_view name) override {
    return status_call(&cred, {.op = Op::kRmdir, .node = parent.value, .name = name}, name_error(name));
  }
  AsyncStatus rename(const Credential& cred, NodeId parent, std::string_view name, NodeId new_parent,
                     std::string_view new_name, fs::RenameFlags flags) override {
    const int error = name_error(name) != 0 ? name_error(name) : name_error(new_name);
    return status_call(&cred,
                       {.op = Op::kRename,
                        .node = parent.value,
                        .other = new_parent.value,
                        .mode = static_cast<std::uint32_t>(flags),
                        .name = name,
                        .name2 = new_name},
                       error);
  }
  Async<std::vector<fs::DirEntry>> readdir(const Credential& cred, NodeId directory,
                                           const fs::ReaddirOptions& options) override {
    Request request{.op = Op::kReaddir, .container = container_, .node = directory.value};
    request.a = options.cursor;
    request.b = options.entries_max;
    request.mode = options.with_attr ? 1 : 0;
    set(request, cred);
    ROSS_CO_TRY(const Answer answer, co_await session_->call(request, {}, {}));
    ROSS_CO_TRY(const std::vector<wire::DirEntry> listed, wire::decode_entries(answer.text));
    std::vector<fs::DirEntry> entries;
    entries.reserve(listed.size());
    for (const wire::DirEntry& entry : listed) {
      fs::DirEntry& made = entries.emplace_back();
      made.name = entry.name;
      made.node = NodeId(entry.node);
      made.type = entry.type;
      made.cursor = entry.cursor;
      if (entry.has_attr) made.attr = from_wire(entry.attr);
    }
    co_return entries;
  }

  // ---- attributes ----
  Async<Attr> getattr(NodeId node) override {
    static const Credential nobody;
    return attr_call(nobody, {.op = Op::kGetattr, .node = node.value}, 0);
  }
  Async<Attr> setattr(const Credential& cred, NodeId node, const fs::SetAttr& change,
                      std::optional<FileId> file) override {
    const wire::SetAttr wanted = to_wire(change);
    Request request{.op = Op::kSetattr, .container = container_, .node = node.value};
    request.file = file.has_value() ? file->value : 0;
    request.text = wire::as_text(wanted);
    set(request, cred);
    const Result<Answer> answer = co_await session_->call(request, {}, {});
    co_return attr_of(answer);
  }
  AsyncStatus access(const Credential& cred, NodeId node, int mask) override {
    return status_call(&cred, {.op = Op::kAccess, .node = node.value, .mode = static_cast<std::uint32_t>(mask)}, 0);
  }
  Async<std::string> getxattr(const Credential& cred, NodeId node, std::string_view name) override {
    if (name.size() > fs::kXattrNameBytesMax) co_return fail(ERANGE);
    Request request{.op = Op::kGetxattr, .container = container_, .node = node.value, .name = name};
    set(request, cred);
    ROSS_CO_TRY(Answer answer, co_await session_->call(request, {}, {}));
    co_return std::move(answer.text);
  }
  AsyncStatus setxattr(const Credential& cred, NodeId node, std::string_view name, std::string_view value,
                       fs::XattrFlags flags) override {
    const int error = name.size() > fs::kXattrNameBytesMax     ? ERANGE
                      : value.size() > fs::kXattrValueBytesMax ? E2BIG
                                                               : 0;
    return status_call(&cred,
                       {.op = Op::kSetxattr,
                        .node = node.value,
                        .mode = static_cast<std::uint32_t>(flags),
                        .name = name,
                        .text = value},
                       error);
  }
  Async<std::vector<std::string>> listxattr(const Credential& cred, NodeId node) override {
    Request request{.op = Op::kListxattr, .container = container_, .node = node.value};
    set(request, cred);
    ROSS_CO_TRY(const Answer answer, co_await session_->call(request, {}, {}));
    ROSS_CO_TRY(const std::vector<std::string_view> names, wire::decode_names(answer.text));
    co_return std::vector<std::string>(names.begin(), names.end());
  }
  AsyncStatus removexattr(const Credential& cred, NodeId node, std::string_view name) override {
    const int error = name.size() > fs::kXattrNameBytesMax ? ERANGE : 0;
    return status_call(&cred, {.op = Op::kRemovexattr, .node = node.value, .name = name}, error);
  }

  // ---- files ----
  Async<fs::Opened> open(const Credential& cred, NodeId node, fs::OpenFlags flags) override {
    return open_call(cred, {.op = Op::kOpen, .node = node.value, .mode = to_wire(flags)}, 0);
  }
  Async<fs::Opened> create(const Credential& cred, NodeId parent, std::string_view name, std::uint32_t mode,
                           fs::OpenFlags flags) override {
    return open_call(cred, {.op = Op::kCreate, .node = parent.value, .a = to_wire(flags), .mode = mode, .name = name},
                     name_error(name));
  }
  Async<fs::Opened> create_unnamed(const Credential& cred, NodeId parent, std::uint32_t mode) override {
    return open_call(cred, {.op = Op::kCreateUnnamed, .node = parent.value, .mode = mode}, 0);
  }
  AsyncStatus publish(const Credential& cred, FileId file, NodeId parent, std::string_view name) override {
    return status_call(&cred, {.op = Op::kPublish, .node = parent.value, .file = file.value, .name = name},
                       name_error(name));
  }
  AsyncStatus close(FileId file) override { return status_call(nullptr, {.op = Op::kClose, .file = file.value}, 0); }

  // To the server, which has the channel they are for in the session of their owner.
  [[nodiscard]] bool passes_windows() const override { return session_->relays(); }
  Async<std::uint64_t> read(FileId file, std::uint64_t offset_bytes, Memory into) override {
    if (into.windows() != nullptr) co_return co_await pass(Op::kRead, file, offset_bytes, into);
    std::uint64_t done = 0;
    std::vector<memory::Span> spans;
    do {
      const std::size_t wanted = std::min<std::size_t>(into.size_bytes() - done, wire::kPayloadBytesMax);
      Memory piece = into;
      if (wanted != into.size_bytes()) {
        memory::slice(into, done, wanted, spans);
        piece = Memory(std::span<const memory::Span>(spans));
      }
      Request request{.op = Op::kRead, .container = container_, .file = file.value};
      request.a = offset_bytes + done;
      request.b = wanted;
      request.mode = session_->server_checks() ? wire::kReadChecked : wire::kReadChecksums;
      ROSS_CO_TRY(Answer answer, co_await session_->call(request, {}, piece, staged_));
      if (!answer.text.empty()) {
        ROSS_CO_TRY(const bool whole, matches(piece, answer.payload_bytes, request.a, answer.text));
        if (!whole) {
          // Damaged on its way, or where it lies: then the server says so.
          log().warn("{} bytes at {} of a file do not match their checksums and are read again", wanted, request.a);
          request.mode = wire::kReadChecked;
          ROSS_CO_TRY(answer, co_await session_->call(request, {}, piece, staged_));
        }
      }
      done += answer.payload_bytes;
      if (answer.payload_bytes < wanted) break;
    } while (done < into.size_bytes());
    co_return done;
  }

  Async<std::uint64_t> write(FileId file, std::uint64_t offset_bytes, Memory from) override {
    if (from.windows() != nullptr) co_return co_await pass(Op::kWrite, file, offset_bytes, from);
    std::uint64_t done = 0;
    std::vector<memory::Span> spans;
    do {
      const std::size_t step = std::min<std::size_t>(from.size_bytes() - done, wire::kPayloadBytesMax);
      Memory piece = from;
      if (step != from.size_bytes()) {
        memory::slice(from, done, step, spans);
        piece = Memory(std::span<const memory::Span>(spans));
      }
      Request request{.op = Op::kWrite, .container = container_, .file = file.value};
      request.a = offset_bytes + done;
      ROSS_CO_TRY(const Answer answer, co_await session_->call(request, piece, {}, staged_));
      if (answer.value != step) co_return fail(EIO, "the server wrote less than it was given");
      done += step;
    } while (done < from.size_bytes());
    co_return done;
  }

  AsyncStatus fallocate(FileId file, fs::Fallocate kind, std::uint64_t offset_bytes,
                        std::uint64_t size_bytes) override {
    return status_call(nullptr,
                       {.op = Op::kFallocate,
                        .file = file.value,
                        .a = offset_bytes,
                        .b = size_bytes,
                        .mode = static_cast<std::uint32_t>(kind)},
                       0);
  }
  Async<std::uint64_t> seek(FileId file, fs::SeekKind kind, std::uint64_t offset_bytes) override {
    Request request{.op = Op::kSeek, .container = container_, .file = file.value};
    request.a = offset_bytes;
    request.mode = static_cast<std::uint32_t>(kind);
    ROSS_CO_TRY(const Answer answer, co_await session_->call(request, {}, {}));
    co_return answer.value;
  }
  AsyncStatus fsync(FileId file, bool data_only) override {
    return status_call(nullptr, {.op = Op::kFsync, .file = file.value, .mode = data_only ? 1U : 0U}, 0);
  }
  AsyncStatus sync() override { return status_call(nullptr, {.op = Op::kSync}, 0); }

  // ---- locks ----
  AsyncStatus lock(FileId file, const fs::LockRange& range, bool wait) override {
    const wire::Lock wanted = to_wire(range);
    Request request{.op = Op::kLock, .container = container_, .file = file.value};
    request.mode = wait ? 1 : 0;
    request.text = wire::as_text(wanted);
    const Result<Answer> answer = co_await session_->call(request, {}, {});
    co_return answer.has_value() ? Status() : answer.error();
  }
  Async<fs::LockRange> test_lock(FileId file, const fs::LockRange& range) override {
    const wire::Lock wanted = to_wire(range);
    Request request{.op = Op::kTestLock, .container = container_, .file = file.value};
    request.text = wire::as_text(wanted);
    ROSS_CO_TRY(const Answer answer, co_await session_->call(request, {}, {}));
    ROSS_CO_TRY(const wire::Lock found, wire::from_text<wire::Lock>(answer.text));
    co_return from_wire(found);
  }
  AsyncStatus unlock_owner(FileId file, std::uint64_t owner) override {
    return status_call(nullptr, {.op = Op::kUnlockOwner, .file = file.value, .a = owner}, 0);
  }

  // ---- whole ----
  Async<fs::StatFs> statfs() override {
    Request request{.op = Op::kStatfs, .container = container_};
    ROSS_CO_TRY(const Answer answer, co_await session_->call(request, {}, {}));
    ROSS_CO_TRY(const wire::StatFs found, wire::from_text<wire::StatFs>(answer.text));
    fs::StatFs stat;
    stat.total_bytes = found.total_bytes;
    stat.free_bytes = found.free_bytes;
    stat.nodes_total = found.nodes_total;
    stat.nodes_used = found.nodes_used;
    stat.block_bytes = found.block_bytes;
    stat.name_bytes_max = found.name_bytes_max;
    co_return stat;
  }

 private:
  // A read or write of windows, which one request names.
  Async<std::uint64_t> pass(Op op, FileId file, std::uint64_t offset_bytes, Memory memory) {
    const memory::Windows& windows = *memory.windows();
    Request request{.op = op, .container = container_, .node = windows.channel, .other = windows.ticket};
    request.file = file.value;
    request.a = offset_bytes;
    if (op == Op::kRead) request.b = memory.size_bytes();
    if (op == Op::kRead && windows.owner_checks) request.mode = wire::kReadChecksums;
    request.windows.assign(windows.parts.begin(), windows.parts.end());
    ROSS_CO_TRY(Answer answer, co_await session_->call(request, {}, {}));
    if (op == Op::kRead ? answer.value > memory.size_bytes() : answer.value != memory.size_bytes()) {
      co_return fail(EBADMSG, "the server's answer is about other data");
    }
    if (windows.checksums != nullptr) *windows.checksums = std::move(answer.text);
    co_return answer.value;
  }

  static void set(Request& request, const Credential& cred) {
    request.uid = cred.uid;
    request.gid = cred.gid;
    request.groups.assign(cred.groups.begin(), cred.groups.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                         cred.groups.size(), wire::kGroupsMax)));
  }

  static Result<Attr> attr_of(const Result<Answer>& answer) {
    if (!answer.has_value()) return fail(answer.error());
    if (!answer->has_attr) return fail(EBADMSG, "the server's answer lacks the attributes");
    return from_wire(answer->attr);
  }

  // The request and the views in it live in these coroutines' frames and the caller's; error, when set, is the answer.
  Async<Attr> attr_call(const Credential& cred, Request request, int error) {
    if (error != 0) co_return fail(error);
    request.container = container_;
    if (request.op != Op::kGetattr) set(request, cred);
    const Result<Answer> answer = co_await session_->call(request, {}, {});
    co_return attr_of(answer);
  }
  Async<fs::Opened> open_call(const Credential& cred, Request request, int error) {
    if (error != 0) co_return fail(error);
    request.container = container_;
    set(request, cred);
    const Result<Answer> answer = co_await session_->call(request, {}, {});
    ROSS_CO_TRY(const Attr attr, attr_of(answer));
    co_return fs::Opened{.file = FileId(answer->value), .attr = attr, .created = answer->created};
  }
  AsyncStatus status_call(const Credential* cred, Request request, int error) {
    if (error != 0) co_return Status(error);
    request.container = container_;
    if (cred != nullptr) set(request, *cred);
    const Result<Answer> answer = co_await session_->call(request, {}, {});
    co_return answer.has_value() ? Status() : answer.error();
  }

  const std::shared_ptr<Session> session_;
  const std::uint32_t container_;
  const bool closes_;
  const bool staged_;
};

}  // namespace

Result<std::unique_ptr<fs::FileSystem>> open_container(std::shared_ptr<Session> session, std::string_view name) {
  if (const int error = name_error(name); error != 0) return fail(error, "a container's name has 1 to 255 bytes");
  ROSS_TRY(const Answer answer, session->call_and_wait({.op = Op::kContainerOpen, .name = name}));
  return std::make_unique<RemoteFileSystem>(std::move(session), static_cast<std::uint32_t>(answer.value), true,
                                            !answer.text.empty());
}

std::unique_ptr<fs::FileSystem> open_by_number(std::shared_ptr<Session> session, std::uint32_t number) {
  return std::make_unique<RemoteFileSystem>(std::move(session), number, false);
}

runtime::Task<Result<std::unique_ptr<fs::FileSystem>>> open_container_here(std::shared_ptr<Session> session,
                                                                           std::string name) {
  if (const int error = name_error(name); error != 0) co_return fail(error, "a container's name has 1 to 255 bytes");
  const Request request{.op = Op::kContainerOpen, .name = name};
  ROSS_CO_TRY(const Answer answer, co_await session->call(request, {}, {}));
  co_return std::make_unique<RemoteFileSystem>(std::move(session), static_cast<std::uint32_t>(answer.value), true,
                                               !answer.text.empty());
}

}  // namespace ross::client
