// Transfers of a simulated channel: each in pieces that travel by themselves.
#include <algorithm>
#include <utility>

#include "fabric/sim/half.h"

namespace ross::fabric::sim {
namespace {

constexpr std::size_t kPiecesMax = 4;

Status refused(const Status& why) {
  return Status(why.error(), "the peer's window refused a transfer: " + why.message());
}

}  // namespace

std::shared_ptr<Moving> Half::begin(Transfer& transfer) {
  ROSS_CHECK(!closed_told_, "a transfer on a channel that has told its end");
  ROSS_CHECK(transfer.window != nullptr, "a transfer without a window");
  begins_something();
  auto moving = std::make_shared<Moving>();
  moving->transfer = &transfer;
  moving->number = ++transfers_begun_;
  moving->key = transfer.window->key;
  moving->offset_bytes = transfer.offset_bytes;
  moving->size_bytes = transfer.local.size_bytes();
  moving_.emplace(moving->number, moving);
  return moving;
}

// In any order.
std::vector<Piece> Half::cut_up(std::size_t size_bytes) {
  const std::size_t count = size_bytes == 0 ? 1 : 1 + net().random().below(std::min(kPiecesMax, size_bytes));
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = size_bytes * i / count;
    pieces.push_back({.offset_bytes = begin, .size_bytes = size_bytes * (i + 1) / count - begin});
  }
  std::shuffle(pieces.begin(), pieces.end(), net().random());
  return pieces;
}

void Half::put(Transfer& transfer) {
  if (station_->gone()) return;
  const std::shared_ptr<Moving> moving = begin(transfer);
  if (ending_) return;  // told with the rest
  connection_->puts_landing[side_].insert(moving->number);
  const std::vector<Piece> pieces = cut_up(moving->size_bytes);
  moving->pieces_left = pieces.size();
  bool all_early = true;
  for (const Piece& piece : pieces) {
    // What leaves early lands even when we have ended since; what is read late is read from the caller's memory then.
    std::shared_ptr<std::vector<std::byte>> early;
    if (net().random().chance(1, 2)) {
      early = std::make_shared<std::vector<std::byte>>(piece.size_bytes);
      transfer.local.copy_out(piece.offset_bytes, *early);
    } else {
      all_early = false;
    }
    net().carry(*this, piece.size_bytes, [moving, piece, early](Half& owner) { owner.land_put(moving, piece, early); });
  }
  // All that done() says of a put is that its memory is free again, so it may be told long before the data has landed.
  if (all_early && net().random().chance(1, 2)) {
    net().later(*this, net().now() + net().latency_ns(host(), host()), [moving](Half& half) { half.finish(moving); });
  }
}

void Half::land_put(const std::shared_ptr<Moving>& moving, const Piece& piece,
                    const std::shared_ptr<std::vector<std::byte>>& early) {
  if (ending_ || (moving->transfer == nullptr && early == nullptr)) return;
  net().note('W', moving->number);
  const auto memory =
      station_->reach(moving->key, Access::kWrite, connection_->id, moving->offset_bytes, moving->size_bytes);
  if (!memory.has_value()) {
    ++net().counters().refusals;
    return end(memory.error(), refused(memory.error()));
  }
  const std::span<std::byte> into = memory->subspan(piece.offset_bytes, piece.size_bytes);
  if (early != nullptr) {
    std::ranges::copy(*early, into.begin());
    if (const auto beginner = peer(); beginner == nullptr || beginner->closed_told_) ++net().counters().late_puts;
  } else {
    moving->transfer->local.copy_out(piece.offset_bytes, into);
  }
  net().counters().bytes += piece.size_bytes;
  if (--moving->pieces_left > 0) return;
  connection_->puts_landing[1 - side_].erase(moving->number);
  net().carry(*this, 0, [moving](Half& beginner) { beginner.finish(moving); });
  show();
}

void Half::get(Transfer& transfer) {
  if (station_->gone()) return;
  const std::shared_ptr<Moving> moving = begin(transfer);
  if (ending_) return;
  const std::vector<Piece> pieces = cut_up(moving->size_bytes);
  moving->pieces_left = pieces.size();
  for (const Piece& piece : pieces) {
    net().carry(*this, 0, [moving, piece](Half& owner) { owner.read_get(moving, piece); });
  }
}

void Half::read_get(const std::shared_ptr<Moving>& moving, const Piece& piece) {
  if (ending_) return;
  net().note('R', moving->number);
  const auto memory =
      station_->reach(moving->key, Access::kRead, connection_->id, moving->offset_bytes, moving->size_bytes);
  if (!memory.has_value()) {
    ++net().counters().refusals;
    return end(memory.error(), refused(memory.error()));
  }
  const std::span<std::byte> from = memory->subspan(piece.offset_bytes, piece.size_bytes);
  const auto data = std::make_shared<std::vector<std::byte>>(from.begin(), from.end());
  net().carry(*this, piece.size_bytes, [moving, piece, data](Half& asker) { asker.land_get(moving, piece, *data); });
}

void Half::land_get(const std::shared_ptr<Moving>& moving, const Piece& piece, const std::vector<std::byte>& data) {
  if (moving->transfer == nullptr) return;
  moving->transfer->local.copy_in(piece.offset_bytes, data);
  net().counters().bytes += piece.size_bytes;
  if (--moving->pieces_left == 0) finish(moving);
}

void Half::finish(const std::shared_ptr<Moving>& moving) {
  if (moving->transfer == nullptr) return;
  net().note('D', moving->number);
  if (moving_.begin()->first < moving->number) ++net().counters().overtakings;
  moving_.erase(moving->number);
  ++net().counters().transfers;
  Transfer& transfer = *std::exchange(moving->transfer, nullptr);
  transfer.done(transfer, 0);  // may free it, may begin more, may close
}

}  // namespace ross::fabric::sim
