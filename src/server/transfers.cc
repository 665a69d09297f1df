// Data between a job's memory and the windows of its peer, and memory that is lent to the peer.
#include <algorithm>

#include "server/connection.h"
#include "server/server.h"

namespace ross::server {

using wire::Op;

Connection* Connection::carrier_of(const Job& job) {
  return names_channel(job.request) ? session_->for_transfers(job.request.node) : this;
}

void Connection::count_moved(const Job& job) {
  const Op op = job.request.op;
  if (op != Op::kRead && op != Op::kWrite) return;
  Moved moved;
  const std::uint64_t bytes = op == Op::kRead ? job.reply.value : job.buffer_bytes;
  (!names_channel(job.request) ? moved.here : passes_by(job) ? moved.past : moved.direct) = bytes;
  (op == Op::kRead ? session_->usage.bytes_read : session_->usage.bytes_written) += bytes;
  session_->moved.here += moved.here;
  session_->moved.direct += moved.direct;
  session_->moved.past += moved.past;
  server_.count(moved);
}

void Connection::move(Job& job, Connection& carrier, std::size_t size_bytes) {
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
    move.carrier = &carrier;
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
      move.region = Buffers::region(job.buffer, carrier.listener_);
    }
    move.done = moved;
    at += step;
    carrier.transfer_begins();
    if (job.request.op == Op::kWrite) {
      carrier.channel_->get(move);
    } else {
      carrier.channel_->put(move);
    }
  }
}

void Connection::moved(fabric::Transfer& transfer, int error) {
  Job& job = *static_cast<Move&>(transfer).job;
  Connection& connection = *job.connection;
  Connection& carrier = *static_cast<Move&>(transfer).carrier;
  carrier.transfer_ends();
  job.failed = job.failed || error != 0;
  if (--job.uses > 0) return;
  if (job.request.op != Op::kWrite) {
    connection.release(job);
  } else if (&carrier != &connection && (job.failed || connection.closed_)) {
    // Not begun: it can be asked for again.
    connection.finish(job, no_carrier());
  } else if (!job.failed) {
    connection.begin(job);
  } else {
    // The channel is at its end: there is nobody to be told.
    connection.channel_->close();
    connection.let_go(job);
    connection.release(job);
  }
}

// ---- of a connection for transfers ----

void Connection::say_landed(Job& job) {
  LandedWord& word = job.landed;
  word.job = &job;
  word.carrier = this;
  word.head.clear();
  wire::encode(wire::Landed{.ticket = job.request.other}, word.head);
  word.sent = [](fabric::Outgoing& self, bool) {
    const auto& done = static_cast<LandedWord&>(self);
    done.carrier->transfer_ends();
    --done.carrier->inflight_;
    done.carrier->inflight_bytes_ -= done.bytes;
    if (--done.job->uses == 0) done.job->connection->release(*done.job);
  };
  word.bytes = job.reply_payload_bytes;
  ++job.uses;
  transfer_begins();
  channel_->send(word);
  // A host asks for no more than it was granted until it has what it asked for.
  ++inflight_;
  inflight_bytes_ += word.bytes;
  if (inflight_ > 2 * wire::kInflightMax || inflight_bytes_ > 2 * std::uint64_t{wire::kInflightBytesMax}) cut_off();
}

void Connection::transfer_begins() {
  ++transfers_;
  if (kind_ == wire::Kind::kTransfers) watch_transfers();
}

void Connection::transfer_ends() {
  --transfers_;
  ++transfers_ended_;
}

// A host that cannot be reached any more, or does not want to be, holds up those who wait for its data.
void Connection::watch_transfers() {
  if (watches_transfers_) return;
  watches_transfers_ = true;
  runtime::Loop& loop = server_.loop();
  loop.at(loop.clock().monotonic_ns() + kTransferPatienceNs, [this, alive = alive_, ended = transfers_ended_] {
    if (!*alive || closed_) return;
    watches_transfers_ = false;
    if (transfers_ == 0) return;
    if (transfers_ended_ == ended) return cut_off();
    watch_transfers();
  });
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
