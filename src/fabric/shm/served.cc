#include "fabric/shm/served.h"

#include <algorithm>

#include "memory/copy_bytes.h"

namespace ross::fabric::shm {

Status Served::on_put(const TransferHead& head, std::span<const std::byte> chunk) {
  if (chunk.size() > head.size_bytes || (chunk.empty() && head.size_bytes > 0))
    return Status(EPROTO, "the peer puts another amount than it says");
  const auto place = windows_.find(
      {.key = head.key, .access = Access::kWrite, .offset = head.offset, .size_bytes = head.size_bytes, .link = link_});
  if (!place.has_value()) return place.error();
  memory::copy_bytes(place->data(), chunk.data(), chunk.size());
  if (chunk.size() < head.size_bytes) return {};
  if (++waiting_ > Transfers::kRepliesMax) return Status(EPROTO, "the peer has too many transfers under way");
  ++placed_;
  return {};
}

Status Served::on_get(const TransferHead& head) {
  // Checked at once, so that a wrong one ends the channel before it takes room; and again for each piece.
  const auto place = windows_.find(
      {.key = head.key, .access = Access::kRead, .offset = head.offset, .size_bytes = head.size_bytes, .link = link_});
  if (!place.has_value()) return place.error();
  if (++waiting_ > Transfers::kRepliesMax) return Status(EPROTO, "the peer has too many transfers under way");
  gets_.push_back({.head = head, .placed_before = std::exchange(placed_, 0)});
  return {};
}

Result<Progress> Served::confirm(std::size_t& count) {
  for (; count > 0; --count, --waiting_) {
    ROSS_TRY(const bool fits, ring_.has_room(record_bytes(0, 0)));
    if (!fits) return Progress::kNoRoom;
    ring_.begin({.kind = Kind::kPlaced, .head_bytes = 0, .chunk_bytes = 0, .payload_bytes = 0}, {});
  }
  return Progress::kDone;
}

Result<Progress> Served::run() {
  while (!gets_.empty()) {
    Answer& answer = gets_.front();
    ROSS_TRY(const Progress confirmed, confirm(answer.placed_before));
    if (confirmed != Progress::kDone) return confirmed;
    TransferHead& head = answer.head;
    do {
      const std::size_t step = std::min<std::uint64_t>(head.size_bytes, ring_.ring_bytes() / 4);
      ROSS_TRY(const bool fits, ring_.has_room(record_bytes(0, step)));
      if (!fits) return Progress::kNoRoom;
      ROSS_TRY(const auto place, windows_.find({.key = head.key,
                                                .access = Access::kRead,
                                                .offset = head.offset,
                                                .size_bytes = head.size_bytes,
                                                .link = link_}));
      std::byte* const chunk = ring_.begin(
          {.kind = Kind::kData, .head_bytes = 0, .chunk_bytes = static_cast<std::uint32_t>(step), .payload_bytes = 0},
          {});
      memory::copy_bytes(chunk, place.data(), step);
      head.offset += step;
      head.size_bytes -= step;
    } while (head.size_bytes > 0);
    gets_.pop_front();
    --waiting_;
  }
  return confirm(placed_);
}

bool Served::uses(std::uint32_t index) const {
  return std::ranges::any_of(gets_, [index](const Answer& answer) { return answer.head.key.index == index; });
}

}  // namespace ross::fabric::shm
