#include <sys/socket.h>

#include <algorithm>

#include "fabric/stream/stream_channel.h"

namespace ross::fabric::stream {
namespace {

// A payload from here on is bulk: behind it only a head's worth is taken into the buffer.
constexpr std::size_t kBulkBytes = 64 * kKiB;
constexpr std::size_t kBehindBulkBytes = 4 * kKiB;
constexpr std::size_t kPiecesMax = 64;
constexpr int kErrnoMax = 4096;  // as in the kernel
// How many receives one turn makes at most when each brings all it has room for.
constexpr int kReceivesMax = 8;

}  // namespace

std::size_t StreamChannel::receive() {
  std::size_t count = 0;
  std::size_t total = 0;
  for (int calls = 0; calls < kReceivesMax && total < kTurnBytes && !closing_; ++calls) {
    iovec pieces[kPiecesMax + 1];
    std::size_t piece_count = 0;
    std::size_t room = 0;
    const std::size_t wanted = incoming_.active ? incoming_.size - incoming_.done : 0;
    if (wanted > 0) {
      std::size_t skip = incoming_.offset + incoming_.done;
      for (const memory::Span& span : incoming_.memory.spans()) {
        if (skip >= span.size_bytes) {
          skip -= span.size_bytes;
          continue;
        }
        const std::size_t step = std::min(span.size_bytes - skip, wanted - room);
        pieces[piece_count++] = {span.data + skip, step};
        skip = 0;
        room += step;
        if (room == wanted || piece_count == kPiecesMax) break;
      }
    }
    // The buffer takes what comes behind the payload, so it joins only where the pieces complete the payload.
    const std::span<std::byte> buffer = set_->buffer();
    const std::size_t kept = rest_.size();
    if (room == wanted) {
      std::copy(rest_.begin(), rest_.end(), buffer.begin());
      const bool little = wanted > 0 ? wanted >= kBulkBytes : bulk_;
      const std::size_t behind = little ? std::min(buffer.size(), kept + kBehindBulkBytes) : buffer.size();
      pieces[piece_count++] = {buffer.data() + kept, behind - kept};
      room += behind - kept;
    }
    msghdr header{};
    header.msg_iov = pieces;
    header.msg_iovlen = piece_count;
    const ssize_t got = piece_count == 1
                            ? ::recv(setup_.socket.fd(), pieces[0].iov_base, pieces[0].iov_len, MSG_DONTWAIT)
                            : ::recvmsg(setup_.socket.fd(), &header, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    const bool nothing = got < 0 && errno == EAGAIN;
    if (nothing && !mute_) break;
    ++count;
    if (got <= 0) {
      // A peer that takes nothing and says nothing has gone, too.
      end(lost(got == 0 || nothing ? 0 : errno));
      return count;
    }
    const auto bytes = static_cast<std::size_t>(got);
    total += bytes;
    if (Status status = take(bytes); !status.ok()) end(std::move(status));
    if (bytes < room) break;  // there was no more
  }
  if (count > 0 && !closing_) set_->received(*this);
  return count;
}

// bytes have come: into the payload's memory, and behind what was kept into the buffer.
Status StreamChannel::take(std::size_t bytes) {
  if (incoming_.active) {
    const std::size_t step = std::min(bytes, incoming_.size - incoming_.done);
    incoming_.done += step;
    bytes -= step;
    if (incoming_.done < incoming_.size) return {};
    ROSS_STATUS(end_frame());
  }
  const std::byte* at = set_->buffer().data();
  const std::byte* const last = at + rest_.size() + bytes;
  rest_.clear();
  while (!closing_) {
    if (small_queued_ >= kEarlyMessages && !no_room_) send_now();
    if (closing_) break;
    const auto left = static_cast<std::size_t>(last - at);
    if (incoming_.active) {
      const std::size_t step = std::min(left, incoming_.size - incoming_.done);
      if (step > 0) incoming_.memory.copy_in(incoming_.offset + incoming_.done, {at, step});
      incoming_.done += step;
      at += step;
      if (incoming_.done < incoming_.size) break;
      ROSS_STATUS(end_frame());
      continue;
    }
    if (left < sizeof(Prefix)) break;
    const auto prefix = load<Prefix>(at);
    // Before the head is there: what it is the length of may never be allowed.
    ROSS_STATUS(check(prefix));
    if (left - sizeof(Prefix) < prefix.head_bytes()) break;
    ROSS_STATUS(begin_frame(prefix, at + sizeof(Prefix)));
    at += sizeof(Prefix) + prefix.head_bytes();
  }
  if (!closing_) rest_.assign(at, last);
  return {};
}

Status StreamChannel::check(const Prefix& prefix) {
  const std::size_t head = prefix.head_bytes();
  const std::size_t payload = prefix.payload_bytes;
  bool fits = false;
  switch (static_cast<Kind>(prefix.kind())) {
    case Kind::kMessage:
      if (head > setup_.limits.head_bytes_max || payload > setup_.limits.payload_bytes_max) {
        return refuse(Status(EMSGSIZE, "a message beyond the limits"), "refused");
      }
      return {};
    case Kind::kPut:
      fits = head == sizeof(PutHead);
      break;
    case Kind::kGet:
      fits = head == sizeof(GetHead) && payload == 0;
      break;
    case Kind::kReply:
      fits = head == sizeof(ReplyHead);
      break;
    case Kind::kRefusal:
      fits = head == sizeof(RefusalHead) && payload == 0;
      break;
  }
  if (!fits) return refuse(Status(EPROTO, "bytes that are no frame"), "refused");
  return {};
}

Status StreamChannel::begin_frame(const Prefix& prefix, const std::byte* head) {
  const std::size_t payload = prefix.payload_bytes;
  switch (static_cast<Kind>(prefix.kind())) {
    case Kind::kMessage:
      return begin_message({head, prefix.head_bytes()}, payload);
    case Kind::kPut:
      return begin_put(load<PutHead>(head), payload);
    case Kind::kGet:
      return take_get(load<GetHead>(head));
    case Kind::kReply:
      return begin_reply(load<ReplyHead>(head), payload);
    case Kind::kRefusal:
      break;
  }
  const auto error = static_cast<int>(load<RefusalHead>(head).error);
  const bool known = error > 0 && error < kErrnoMax;
  return Status(known ? error : EPROTO,
                "the peer refused what was asked of it: " + Status(known ? error : EPROTO).message());
}

Status StreamChannel::begin_message(std::span<const std::byte> head, std::size_t payload_bytes) {
  Result<memory::Memory> memory = receiver_->on_head(head, payload_bytes);
  if (!memory.has_value()) return std::move(memory).error();
  ROSS_CHECK(memory->size_bytes() == payload_bytes, "a receiver gave memory of another size than the payload's");
  if (closing_) return {};
  incoming_ = {.kind = Kind::kMessage, .active = true, .memory = *memory, .size = payload_bytes};
  return {};
}

Status StreamChannel::begin_put(const PutHead& head, std::size_t payload_bytes) {
  if (setup_.home == nullptr) return refuse(Status(ENOTSUP, "there are no windows here"), "a put was refused");
  const Result<std::span<std::byte>> memory =
      setup_.home->windows.find(head.key, Access::kWrite, serial_, get_u64(head.offset_bytes), payload_bytes);
  if (!memory.has_value()) return refuse(memory.error(), "a put was refused");
  setup_.home->windows.use(head.key.slot);
  incoming_ = {.kind = Kind::kPut,
               .active = true,
               .uses_window = true,
               .slot = head.key.slot,
               .memory = memory::Memory(*memory),
               .size = payload_bytes};
  return {};
}

Status StreamChannel::take_get(const GetHead& head) {
  if (setup_.home == nullptr) return refuse(Status(ENOTSUP, "there are no windows here"), "a get was refused");
  if (replies_.size() == kGetsMax) return refuse(Status(EPROTO, "more gets at once than granted"), "a get was refused");
  const Result<std::span<std::byte>> memory =
      setup_.home->windows.find(head.key, Access::kRead, serial_, get_u64(head.offset_bytes), get_u64(head.size_bytes));
  if (!memory.has_value()) return refuse(memory.error(), "a get was refused");
  setup_.home->windows.use(head.key.slot);
  replies_.push({head.id, head.key.slot, *memory});
  plan_send();
  return {};
}

Status StreamChannel::begin_reply(const ReplyHead& head, std::size_t payload_bytes) {
  const std::uint32_t slot = head.id % kGetsMax;
  if (slot >= gets_.size() || gets_[slot].transfer == nullptr || gets_[slot].id != head.id || !gets_[slot].asked) {
    return refuse(Status(EPROTO, "an answer to nothing that was asked"), "refused");
  }
  const Getting& getting = gets_[slot];
  const std::size_t size = getting.transfer->local.size_bytes();
  // An empty part would be a frame that brings nothing, for ever.
  if (payload_bytes > size - getting.received_bytes || (payload_bytes == 0 && size > 0)) {
    return refuse(Status(EPROTO, "an answer of another size than was asked for"), "refused");
  }
  incoming_ = {.kind = Kind::kReply,
               .active = true,
               .slot = slot,
               .memory = getting.transfer->local,
               .offset = getting.received_bytes,
               .size = payload_bytes};
  return {};
}

// The frame's payload is there.
Status StreamChannel::end_frame() {
  incoming_.active = false;
  bulk_ = incoming_.size >= kBulkBytes;
  switch (incoming_.kind) {
    case Kind::kMessage:
      return receiver_->on_message();
    case Kind::kPut:
      incoming_.uses_window = false;
      setup_.home->windows.let_go(incoming_.slot);
      return {};
    default:
      break;
  }
  Getting& getting = gets_[incoming_.slot];
  getting.received_bytes += incoming_.size;
  if (getting.received_bytes < getting.transfer->local.size_bytes()) return {};
  Transfer& done = *std::exchange(getting.transfer, nullptr);
  free_gets_.push_back(incoming_.slot);
  if (waiting_gets_ != nullptr) {
    Transfer& next = *waiting_gets_;
    waiting_gets_ = next.next;
    if (waiting_gets_ == nullptr) waiting_tail_ = &waiting_gets_;
    ask_for(next);
  }
  done.done(done, 0);
  return {};
}

}  // namespace ross::fabric::stream
