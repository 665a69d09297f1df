// Data between a job's memory and the windows of its peer, and memory that is lent to the peer.
#include <algorithm>

#include "server/connection.h"
#include "server/server.h"

namespace ross::server {

using wire::Op;

void Connection::move(Job& job, std::size_t size_bytes) {
  const std::vector<wire::WindowPart>& windows = job.request.windows;
  if (job.moves.size() < windows.size()) job.moves.resize(windows.size());
  // All of them counted before the first can be done.
  std::size_t count = 0;
  for (std::size_t at = 0; at < size_bytes; ++count) at += windows[count].size_bytes;
  job.uses += count;
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const wire::WindowPart& window = windows[i];
    Move& move = job.moves[i];
    const std::size_t step = std::min<std::size_t>(window.size_bytes, size_bytes - at);
    move.job = &job;
    move.remote.size_bytes = window.offset_bytes + window.size_bytes;
    move.remote.key = window.key;
    move.window = &move.remote;
    move.offset_bytes = window.offset_bytes;
    if (job.loan.lent()) {
      memory::slice(job.loan.memory(), at, step, move.spans);
      move.local = memory::Memory(std::span<const memory::Span>(move.spans));
      move.region = nullptr;
    } else {
      move.local = memory::Memory(job.buffer.data + at, step);
      move.region = Buffers::region(job.buffer, listener_);
    }
    move.done = moved;
    at += step;
    if (job.request.op == Op::kWrite) {
      channel_->get(move);
    } else {
      channel_->put(move);
    }
  }
}

void Connection::moved(fabric::Transfer& transfer, int error) {
  Job& job = *static_cast<Move&>(transfer).job;
  Connection& connection = *job.connection;
  job.failed = job.failed || error != 0;
  if (--job.uses > 0) return;
  if (job.request.op != Op::kWrite) {
    connection.release(job);
  } else if (!job.failed) {
    connection.begin(job);
  } else {
    // The channel is at its end: there is nobody to be told.
    connection.channel_->close();
    connection.let_go(job);
    connection.release(job);
  }
}

// A peer that takes nothing of what it was lent for so long is cut off: space that is freed meanwhile waits for it.
void Connection::watch_loans() {
  if (watches_loans_ || lent_bytes_ == 0) return;
  constexpr std::int64_t kPatienceNs = 60'000'000'000;
  watches_loans_ = true;
  runtime::Loop& loop = server_.loop();
  loop.at(loop.clock().monotonic_ns() + kPatienceNs, [this, alive = alive_, ended = loans_ended_] {
    if (!*alive || closed_) return;
    watches_loans_ = false;
    if (lent_bytes_ > 0 && loans_ended_ == ended) return cut_off();
    watch_loans();
  });
}

}  // namespace ross::server
