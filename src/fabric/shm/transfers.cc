#include "fabric/shm/transfers.h"

#include <sys/uio.h>

#include <algorithm>
#include <array>

namespace ross::fabric::shm {
namespace {

constexpr std::uint64_t kIsGet = 1;
constexpr std::size_t kLocalSpansMax = 256;  // of one system call

std::size_t left_of(const Transfer& transfer) { return transfer.local.size_bytes() - transfer.words[0]; }

}  // namespace

// Pieces that one system call moves, each of another transfer in the queue.
struct Transfers::Batch {
  std::array<iovec, kLocalSpansMax> local;
  std::array<iovec, kMarksMax> remote;
  std::size_t locals = 0;
  std::size_t remotes = 0;
  std::size_t bytes = 0;

  // Adds a transfer's next piece as far as its spans find room. Returns how many bytes that is.
  std::size_t add(const Transfer& transfer, std::uint64_t address, std::size_t size_bytes) {
    std::size_t skip = transfer.words[0];
    std::size_t added = 0;
    for (const memory::Span& span : transfer.local.spans()) {
      if (added == size_bytes || locals == local.size()) break;
      if (skip >= span.size_bytes) {
        skip -= span.size_bytes;
        continue;
      }
      const std::size_t step = std::min(size_bytes - added, span.size_bytes - skip);
      local[locals++] = {.iov_base = span.data + skip, .iov_len = step};
      added += step;
      skip = 0;
    }
    remote[remotes++] = {.iov_base = reinterpret_cast<void*>(address), .iov_len = added};
    bytes += added;
    return added;
  }
};

Result<Progress> Transfers::run() {
  std::size_t budget = kPassBytes;
  ROSS_TRY(const Progress puts, run(puts_, Access::kWrite, budget));
  ROSS_TRY(const Progress gets, run(gets_, Access::kRead, budget));
  return std::max(puts, gets);
}

Result<Progress> Transfers::run(Fifo<Transfer>& queue, Access access, std::size_t& budget) {
  while (!queue.empty()) {
    if (budget == 0) return Progress::kMore;
    Transfer& transfer = queue.front();
    const std::size_t step = std::min(left_of(transfer), kPieceBytes);
    ROSS_TRY(const PeerMemory::Piece piece, locate(transfer, 0, access));
    if (piece.out_of_reach) {
      ROSS_TRY(const Progress progress, access == Access::kWrite ? push_put(transfer) : push_get(transfer));
      if (progress != Progress::kDone) return progress;
      finish(queue, true);
      continue;
    }
    if (piece.mapped == nullptr) {
      ROSS_OK(copy_batch(queue, access, piece, budget));
      continue;
    }
    if (access == Access::kWrite) {
      transfer.local.copy_out(transfer.words[0], {piece.mapped, step});
    } else {
      transfer.local.copy_in(transfer.words[0], {piece.mapped, step});
    }
    peer_.unmark(0, 1);
    transfer.words[0] += step;
    budget -= std::min(budget, step);  // the last piece may go beyond it
    if (left_of(transfer) == 0) finish(queue, false);
  }
  return Progress::kDone;
}

// Checked and marked by the peer's table: all that is left, so that one too long is refused before it touches anything. The
// mark is another one for each transfer of a batch.
Result<PeerMemory::Piece> Transfers::locate(const Transfer& transfer, std::size_t mark, Access access) {
  const std::uint64_t size_bytes = left_of(transfer);
  const std::uint64_t offset = transfer.offset_bytes + transfer.words[0];
  if (offset < transfer.offset_bytes) return fail(refused());
  ROSS_TRY(const auto piece, peer_.begin(mark, *transfer.window, access, offset, size_bytes));
  if (!piece.region_missing) return piece;
  look_at_socket_();
  return peer_.begin(mark, *transfer.window, access, offset, size_bytes);
}

// Moves the front's piece, which is under mark 0, and pieces of those behind it that the kernel has to move, too.
Status Transfers::copy_batch(Fifo<Transfer>& queue, Access access, PeerMemory::Piece piece, std::size_t& budget) {
  Batch batch;
  Transfer* transfer = &queue.front();
  while (batch.add(*transfer, piece.address, std::min(left_of(*transfer), kPieceBytes)) == left_of(*transfer)) {
    transfer = transfer->next;
    if (transfer == nullptr || batch.remotes == kMarksMax || batch.locals == kLocalSpansMax || batch.bytes >= budget)
      break;
    // What is wrong with it is said when it is the first.
    const auto next = locate(*transfer, batch.remotes, access);
    if (!next.has_value() || next->out_of_reach || next->region_missing) break;
    if (next->mapped != nullptr) {
      peer_.unmark(batch.remotes, 1);
      break;
    }
    piece = *next;
  }
  std::size_t moved = 0;
  if (batch.bytes > 0) {
    const auto result = peer_.copy(access, batch.local.data(), batch.locals, batch.remote.data(), batch.remotes);
    if (!result.has_value() && result.error().error() != ENOTSUP) {
      peer_.unmark(0, batch.remotes);
      return result.error();
    }
    if (result.has_value()) moved = *result;
  }
  peer_.unmark(0, batch.remotes);
  budget -= std::min(budget, batch.bytes);
  for (std::size_t i = 0; i < batch.remotes; ++i) {
    Transfer& front = queue.front();
    const std::size_t step = std::min(moved, batch.remote[i].iov_len);
    front.words[0] += step;
    moved -= step;
    if (left_of(front) > 0) break;  // the rest in a next call
    finish(queue, false);
  }
  return {};
}

Result<Progress> Transfers::push_put(Transfer& transfer) {
  if (replies_count_ == kRepliesMax) return Progress::kReplies;
  TransferHead head{.key = *parse_key(*transfer.window)};
  do {
    const std::size_t step = std::min(left_of(transfer), ring_.ring_bytes() / 4);
    ROSS_TRY(const bool fits, ring_.has_room(record_bytes(sizeof head, step)));
    if (!fits) return Progress::kNoRoom;
    head.offset = transfer.offset_bytes + transfer.words[0];
    head.size_bytes = left_of(transfer);
    std::byte* const chunk = ring_.begin({.kind = Kind::kPut,
                                          .head_bytes = sizeof head,
                                          .chunk_bytes = static_cast<std::uint32_t>(step),
                                          .payload_bytes = 0},
                                         std::as_bytes(std::span(&head, 1)));
    transfer.local.copy_out(transfer.words[0], {chunk, step});
    transfer.words[0] += step;
  } while (left_of(transfer) > 0);
  return Progress::kDone;
}

Result<Progress> Transfers::push_get(Transfer& transfer) {
  if (replies_count_ == kRepliesMax) return Progress::kReplies;
  ROSS_TRY(const bool fits, ring_.has_room(record_bytes(sizeof(TransferHead), 0)));
  if (!fits) return Progress::kNoRoom;
  const TransferHead head{.key = *parse_key(*transfer.window),
                          .offset = transfer.offset_bytes + transfer.words[0],
                          .size_bytes = left_of(transfer)};
  ring_.begin({.kind = Kind::kGet, .head_bytes = sizeof head, .chunk_bytes = 0, .payload_bytes = 0},
              std::as_bytes(std::span(&head, 1)));
  transfer.words[1] = kIsGet;
  return Progress::kDone;
}

void Transfers::finish(Fifo<Transfer>& queue, bool awaits_reply) {
  Transfer& transfer = queue.pop();
  if (&queue == &puts_) ++landed_;
  (awaits_reply ? replies_ : done_).push(transfer);
  if (awaits_reply) ++replies_count_;
}

Status Transfers::on_data(std::span<const std::byte> chunk) {
  if (replies_.empty() || replies_.front().words[1] != kIsGet)
    return Status(EPROTO, "the peer answers what was not asked");
  Transfer& transfer = replies_.front();
  if (chunk.size() > left_of(transfer) || (chunk.empty() && left_of(transfer) > 0)) {
    return Status(EPROTO, "the peer answers another amount than was asked for");
  }
  transfer.local.copy_in(transfer.words[0], chunk);
  transfer.words[0] += chunk.size();
  if (left_of(transfer) > 0) return {};
  --replies_count_;
  done_.push(replies_.pop());
  return {};
}

Status Transfers::on_placed() {
  if (replies_.empty() || replies_.front().words[1] == kIsGet)
    return Status(EPROTO, "the peer answers what was not asked");
  --replies_count_;
  done_.push(replies_.pop());
  return {};
}

std::size_t Transfers::tell() {
  std::size_t count = 0;
  for (; !done_.empty(); ++count) {
    Transfer& transfer = done_.pop();
    transfer.done(transfer, 0);  // may free it, may begin others, may close
  }
  return count;
}

void Transfers::fail_all(int error) {
  tell();
  for (Fifo<Transfer>* const queue : {&replies_, &puts_, &gets_}) {
    while (!queue->empty()) {
      Transfer& transfer = queue->pop();
      transfer.done(transfer, error);
    }
  }
}

}  // namespace ross::fabric::shm
