// What a client asks for that comes back to a server started anew: its containers, files and locks, under the numbers they had.
#include "client/translate.h"
#include "server/connection.h"
#include "server/server.h"

namespace ross::server {

namespace {
// Beyond it a number is no file's: nobody has opened so many.
constexpr std::uint64_t kFileNumberMax = std::uint64_t{1} << 48;
}  // namespace

// Opens a node as the peer had it open, also in its name: what is written through it clears set-id bits as before. It was allowed
// then; what its mode allows by now does not matter to an open file.
Connection::Work Connection::open_again(Job& job, std::uint64_t node, std::uint64_t bits, std::uint64_t number) {
  if (number == 0 || number > kFileNumberMax) co_return Status(EBADMSG, "a file number that nobody was given");
  if (session_->files.contains(number)) {
    const Result<fs::Attr> attr = co_await job.fs->getattr(fs::NodeId(node));
    if (!attr.has_value()) co_return attr.error();
    answer(job.reply, *attr);
    job.reply.value = number;
    co_return Status();
  }
  if (session_->files.size() + session_->opening >= wire::kOpenFilesMax) {
    co_return Status(EMFILE, "this process has too many files open");
  }
  if (session_->upstream() != nullptr) co_return co_await reopen_upstream(job);
  Result<fs::OpenFlags> flags = client::open_flags_from_wire(bits);
  if (!flags.has_value()) co_return flags.error();
  flags->truncate = false;
  flags->exclusive = false;
  flags->again = true;
  ++session_->opening;
  const Result<fs::Opened> opened = co_await job.fs->open(job.cred, fs::NodeId(node), *flags);
  --session_->opening;
  if (!opened.has_value()) co_return opened.error();
  add_file(job, *opened, number);
  co_return Status();
}

Connection::Work Connection::reclaimed(Job& job) {
  if (session_->upstream() != nullptr) {
    if (Status status = co_await pass_on(job); !status.ok()) co_return status;
  }
  session_->reclaiming = false;
  server_.has_come_back(session_->client());
  co_return Status();
}

}  // namespace ross::server
