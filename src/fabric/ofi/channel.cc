#include "fabric/ofi/channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "base/units.h"

namespace ross::fabric::ofi {
namespace {

constexpr std::size_t kPrefixBytes = 8;
constexpr std::uint32_t kOwedMax = kCredits / 2;  // pieces taken before the peer is told so on its own
// How long the other end may take to come to its end, before its connection is broken.
constexpr std::int64_t kGraceNs = 1'000'000'000;

// Of puts and gets in the provider's hands: enough to keep a network busy (400 Gbit/s for 40 us), and so little that an
// announcement, which on a stream waits behind them, is answered before they are through, and that what a local network holds
// stays in the caches.
constexpr std::size_t kPostedBytesMax = 2 * kMiB;
// Of those announced and not yet in the provider's hands: beyond it the next are announced later and together.
constexpr std::size_t kAnnouncedBytesMax = 4 * kMiB;

}  // namespace

OfiChannel::OfiChannel(OfiEndpoint& endpoint, PeerNode& peer, std::uint32_t id)
    : endpoint_(endpoint), node_(&peer), id_(id), secret_(random_seed()) {
  if (endpoint.pair() != nullptr) peer_ = endpoint.pair()->peer();
  ++peer.channels;
}

OfiChannel::~OfiChannel() {
  if (!told_) {
    ROSS_CHECK(receiver_ == nullptr, "a channel was destroyed before it was closed");
    ROSS_CHECK(flights_.empty() && queue_ == nullptr, "a channel that was used was destroyed before it was started");
    if (met_ && !bye_said_) {
      say_bye();
      if (!open_.empty() && !node_->cut) {
        endpoint_.cut(*node_, Status(ECONNRESET, "a channel that the peer was using was destroyed"));
      }
    }
    endpoint_.forget(*this);
  }
  endpoint_.channel_gone();
}

void OfiChannel::meet(const Introduction& other) {
  met_ = true;
  remote_id_ = other.channel;
  remote_secret_ = other.secret;
  remote_limits_ = {static_cast<std::size_t>(other.head_bytes_max), static_cast<std::size_t>(other.payload_bytes_max)};
}

Introduction OfiChannel::introduction() const {
  Introduction own;
  own.secret = secret_;
  own.channel = id_;
  own.head_bytes_max = endpoint_.limits().head_bytes_max;
  own.payload_bytes_max = endpoint_.limits().payload_bytes_max;
  return own;
}

void OfiChannel::start(Receiver& receiver) {
  receiver_ = &receiver;
  if (ending_) endpoint_.closing(*this);
  endpoint_.wake(*this);
}

void OfiChannel::send(Outgoing& message) {
  ROSS_CHECK(message.head.size() <= endpoint_.limits().head_bytes_max &&
                 message.payload.size_bytes() <= endpoint_.limits().payload_bytes_max,
             "a message beyond the limits of its channel");
  message.next = nullptr;
  message.lengths[0] = puts_begun_;
  *queue_tail_ = &message;
  queue_tail_ = &message.next;
  endpoint_.wake(*this);
}

void OfiChannel::begin(Transfer& transfer, bool is_put) {
  transfer.next = nullptr;
  if (is_put) transfer.words[0] = puts_begun_++;
  Fifo& fifo = waiting_[is_put ? 1 : 0];
  *fifo.tail = &transfer;
  fifo.tail = &transfer.next;
  endpoint_.wake(*this);
}

void OfiChannel::close() { end(Status(ESHUTDOWN, "the channel was closed")); }

// ---- receiving ----

void OfiChannel::violated(std::string_view what) {
  if (!ending_) log().warn("fabric {}: {}; the channel ends", endpoint_.provider().name, what);
  end(Status(EPROTO, what));
}

bool OfiChannel::arrive(const PieceHeader& header, std::span<const std::byte> body) {
  const bool last_words = header.kind == PieceKind::kClosing || header.kind == PieceKind::kBye;
  // Last words may come over a new connection, after the old one was broken on purpose: then they count nothing.
  if (!last_words && header.sequence != next_sequence_) {
    violated("pieces of a channel were lost, its connection must have broken");
    return false;
  }
  next_sequence_ = header.sequence + 1;
  if (last_words) {
    if (header.kind == PieceKind::kBye) {
      bye_heard_ = true;
      open_.clear();
      endpoint_.heard_bye();
    }
    return true;
  }
  if (header.taken - peer_taken_ > sent_credit_ - peer_taken_) {
    violated("the peer says it took more pieces than it was sent");
    return false;
  }
  if (header.taken != peer_taken_) {
    peer_taken_ = header.taken;
    endpoint_.wake(*this);
  }
  std::erase_if(open_, [&](const Open& open) { return before(open.number, header.floor); });
  if (needs_credit(header.kind) && ++arrived_ - taken_told_ > kCredits) {
    violated("the peer sent more pieces than it was granted");
    return false;
  }
  switch (header.kind) {
    case PieceKind::kTransfers: {
      ++taken_;
      if (body.size() % sizeof(TransferRecord) != 0) return violated("a malformed announcement of transfers"), false;
      while (const auto record = take<TransferRecord>(body)) {
        if (ending_) break;
        if (open_.size() >= 2 * kFlightsMax) return violated("the peer began more transfers than are allowed"), false;
        if (Status status = endpoint_.windows().check(*record, id_); !status.ok()) {
          end(status);
          break;
        }
        open_.push_back({record->number, record->window});
        grants_.push_back(record->number);
      }
      endpoint_.wake(*this);
      return false;
    }
    case PieceKind::kGrants: {
      ++taken_;
      if (body.size() % sizeof(std::uint32_t) != 0) return violated("a malformed grant"), false;
      auto flight = flights_.begin();
      while (const auto number = take<std::uint32_t>(body)) {
        // Grants come in the order of announcements.
        while (flight != flights_.end() && flight->number != *number) ++flight;
        if (flight == flights_.end()) {
          if (!ending_) violated("a grant of a transfer that was not asked for");
          return false;
        }
        flight->granted = true;
      }
      endpoint_.wake(*this);
      return false;
    }
    case PieceKind::kWelcome: {
      auto rest = body;
      const auto other = take<Introduction>(rest);
      if (met_ || !other || !rest.empty() || other->piece_bytes != kPieceBytes || other->credits != kCredits) {
        violated("a malformed welcome");
        return false;
      }
      meet(*other);
      return true;
    }
    case PieceKind::kData:
      return true;
    default:
      return false;  // kCredit: its header said it all
  }
}

void OfiChannel::tell(const PieceHeader& header, std::span<const std::byte> body) {
  if (header.kind == PieceKind::kClosing || header.kind == PieceKind::kBye) {
    end(Status(ESHUTDOWN, "the other end has closed the channel"));
    return;
  }
  if (header.kind != PieceKind::kData) return;
  if (receiver_ == nullptr && !ending_) {
    early_.emplace_back(body.begin(), body.end());
    return;
  }
  ++taken_;
  if (ending_) return;
  if (const Status status = take_stream(body); !status.ok()) end(status);
  if (taken_ - taken_told_ >= kOwedMax) endpoint_.wake(*this);
}

Status OfiChannel::take_stream(std::span<const std::byte> bytes) {
  while (!ending_) {
    if (in_payload_) {
      const std::size_t step = std::min(bytes.size(), payload_.size_bytes() - payload_done_);
      if (step > 0) payload_.copy_in(payload_done_, bytes.first(step));
      payload_done_ += step;
      bytes = bytes.subspan(step);
      if (payload_done_ < payload_.size_bytes()) return {};
      in_payload_ = false;
      ROSS_STATUS(receiver_->on_message());
      continue;
    }
    if (bytes.empty()) return {};
    // A prefix and head that lie whole in the piece are taken where they are, others are gathered.
    const bool gathered = !partial_.empty();
    const auto gather = [&](std::size_t wanted) {
      const std::size_t step = std::min(bytes.size(), wanted - partial_.size());
      partial_.insert(partial_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(step));
      bytes = bytes.subspan(step);
      return partial_.size() == wanted;
    };
    if (partial_.size() < kPrefixBytes) {
      if (!gathered && bytes.size() >= kPrefixBytes) {
        std::memcpy(lengths_, bytes.data(), kPrefixBytes);
      } else {
        if (!gather(kPrefixBytes)) return {};
        std::memcpy(lengths_, partial_.data(), kPrefixBytes);
      }
      if (lengths_[0] > endpoint_.limits().head_bytes_max || lengths_[1] > endpoint_.limits().payload_bytes_max) {
        return Status(EMSGSIZE, "the peer sent a message beyond the limits");
      }
    }
    const std::size_t whole = kPrefixBytes + lengths_[0];
    if (partial_.empty() && bytes.size() >= whole) {
      const auto head = bytes.subspan(kPrefixBytes, lengths_[0]);
      bytes = bytes.subspan(whole);
      ROSS_STATUS(take_head(head));
      continue;
    }
    if (!gather(whole)) return {};
    ROSS_STATUS(take_head(std::span<const std::byte>(partial_).subspan(kPrefixBytes)));
    partial_.clear();
  }
  return {};
}

Status OfiChannel::take_head(std::span<const std::byte> head) {
  Result<memory::Memory> payload = receiver_->on_head(head, lengths_[1]);
  if (!payload.has_value()) return std::move(payload).error();
  ROSS_CHECK(payload->size_bytes() == lengths_[1], "a receiver gave memory of another size than the payload's");
  payload_ = *payload;
  payload_done_ = 0;
  in_payload_ = true;
  return {};
}

// ---- sending ----

SendSlot* OfiChannel::new_piece() {
  SendSlot* const slot = endpoint_.take_slot();
  if (slot != nullptr) slot->size_bytes = sizeof(PieceHeader);
  return slot;
}

void OfiChannel::post(SendSlot* slot, PieceKind kind) {
  PieceHeader header;
  header.kind = kind;
  header.channel = remote_id_;
  header.secret = remote_secret_;
  header.sequence = sequence_++;
  header.taken = taken_;
  header.floor = floor();
  header.body_bytes = static_cast<std::uint32_t>(slot->size_bytes - sizeof header);
  std::memcpy(slot->data, &header, sizeof header);
  taken_told_ = taken_;
  floor_told_ = header.floor;
  if (needs_credit(kind)) ++sent_credit_;
  endpoint_.post(*node_, slot);
}

bool OfiChannel::flush() {
  if (!met_ || told_ || node_ == nullptr) return true;
  if (ending_) {
    for (Flight& flight : flights_) {
      if (flight.parts > 0 || flight.over) continue;
      if (flight.error == 0 && flight.posted_bytes < flight.size_bytes) flight.error = ECANCELED;
      flight.over = true;
      endpoint_.finished(flight);
    }
    if (node_->cut) return true;
    if (!closing_said_) {
      SendSlot* const slot = new_piece();
      if (slot == nullptr) return false;
      closing_said_ = true;
      post(slot, PieceKind::kClosing);
    }
    if (flights_.empty() && !bye_said_) say_bye();
    return bye_said_ || !flights_.empty();
  }
  if (receiver_ != nullptr && !early_.empty()) {
    for (const auto& piece : std::exchange(early_, {})) {
      ++taken_;
      if (ending_) continue;
      if (const Status status = take_stream(piece); !status.ok()) end(status);
    }
    if (ending_) return flush();
  }
  const std::uint32_t sequence_before = sequence_;
  bool all = flush_grants();
  all = announce() && all;
  all = post_parts() && all;
  all = frame_messages() && all;
  if (ending_) return flush();
  if (sequence_ == sequence_before) {
    // Nothing carried what the other end has to know.
    const bool idle = flights_.empty() && floor() != floor_told_ && has_credit();
    if (idle || taken_ - taken_told_ >= kOwedMax) {
      SendSlot* const slot = new_piece();
      if (slot == nullptr) return false;
      post(slot, idle ? PieceKind::kData : PieceKind::kCredit);
    }
  }
  return all;
}

bool OfiChannel::flush_grants() {
  while (!grants_.empty() && has_credit()) {
    SendSlot* const slot = new_piece();
    if (slot == nullptr) return false;
    const std::size_t count = std::min(grants_.size(), kBodyBytesMax / sizeof(std::uint32_t));
    std::memcpy(slot->data + slot->size_bytes, grants_.data(), count * sizeof(std::uint32_t));
    slot->size_bytes += count * sizeof(std::uint32_t);
    grants_.erase(grants_.begin(), grants_.begin() + static_cast<std::ptrdiff_t>(count));
    post(slot, PieceKind::kGrants);
  }
  return true;
}

void OfiChannel::refuse_transfer(Flight& flight, std::string_view why) {
  flight.error = EACCES;
  flight.over = true;
  endpoint_.finished(flight);
  end(Status(EACCES, why));
}

// Puts and gets by turns, as many as may be under way at once.
bool OfiChannel::announce() {
  SendSlot* slot = nullptr;
  bool all = true;
  for (bool is_put = true; flights_.size() < kFlightsMax && !ending_; is_put = !is_put) {
    Fifo* fifo = &waiting_[is_put ? 1 : 0];
    if (fifo->head == nullptr) fifo = &waiting_[is_put ? 0 : 1];
    if (fifo->head == nullptr) break;
    if (slot == nullptr) {
      if (unposted_bytes_ >= kAnnouncedBytesMax) break;
      if (!has_credit()) break;
      slot = new_piece();
      if (slot == nullptr) {
        all = false;
        break;
      }
    }
    if (slot->size_bytes + sizeof(TransferRecord) > kPieceBytes) break;
    Transfer& transfer = *fifo->head;
    fifo->head = transfer.next;
    if (fifo->head == nullptr) fifo->tail = &fifo->head;

    Flight& flight = flights_.emplace_back();
    flight.channel = this;
    flight.transfer = &transfer;
    flight.is_put = fifo == &waiting_[1];
    flight.put_ordinal = static_cast<std::uint32_t>(transfer.words[0]);
    flight.size_bytes = transfer.local.size_bytes();
    flight.number = next_number_;
    unposted_bytes_ += flight.size_bytes;
    const auto key = decode_key(transfer.window->key);
    const auto wanted = static_cast<std::uint8_t>(flight.is_put ? Access::kWrite : Access::kRead);
    if (!key) {
      refuse_transfer(flight, "a transfer came with a key that is none");
    } else if (key->access != wanted) {
      refuse_transfer(flight, "a transfer would go against the direction of its window");
    } else if (key->only_for != 0 && key->only_for != remote_id_) {
      refuse_transfer(flight, "a transfer asks for a window that is for another channel");
    } else if (transfer.offset_bytes > key->size_bytes || flight.size_bytes > key->size_bytes - transfer.offset_bytes) {
      refuse_transfer(flight, "a transfer would go beyond its window");
    } else if (flight.size_bytes == 0) {
      flight.over = true;
      endpoint_.finished(flight);
    } else {
      flight.key = *key;
      ++next_number_;
      const TransferRecord record{flight.number, key->access,           key->id,
                                  key->rkey,     transfer.offset_bytes, flight.size_bytes};
      std::memcpy(slot->data + slot->size_bytes, &record, sizeof record);
      slot->size_bytes += sizeof record;
    }
  }
  if (slot != nullptr) {
    if (slot->size_bytes > sizeof(PieceHeader)) {
      post(slot, PieceKind::kTransfers);
    } else {
      endpoint_.give_slot(slot);
    }
  }
  return all;
}

bool OfiChannel::post_parts() {
  for (Flight& flight : flights_) {
    while (flight.granted && !flight.over && flight.error == 0 && flight.posted_bytes < flight.size_bytes) {
      // Behind what waits for this peer: announcements arrive before what they announce.
      if (!node_->outbox.empty() || ending_) return ending_;
      if (posted_bytes_ >= kPostedBytesMax) return true;
      if (!post_part(flight)) return ending_;
    }
  }
  return true;
}

bool OfiChannel::post_part(Flight& flight) {
  const Provider& provider = endpoint_.provider();
  const Transfer& transfer = *flight.transfer;
  TransferPart* const part = endpoint_.take_part();
  if (part == nullptr) return false;
  part->flight = &flight;
  part->peer = node_;
  part->offset_bytes = flight.posted_bytes;
  const std::size_t left = std::min(flight.size_bytes - flight.posted_bytes, provider.transfer_bytes_max);
  iovec spans[4];
  void* descriptors[4] = {};
  std::size_t count = 0;
  std::size_t size = 0;
  if (provider.local_registration && transfer.region == nullptr) {
    auto bounce = endpoint_.bounces().take();
    if (!bounce.has_value() || *bounce == nullptr) {
      endpoint_.give_part(part);
      if (!bounce.has_value()) end(bounce.error());
      return false;
    }
    part->bounce = *bounce;
    size = std::min(left, BouncePool::kBytes);
    if (flight.is_put) transfer.local.copy_out(flight.posted_bytes, {part->bounce, size});
    spans[0] = {part->bounce, size};
    descriptors[0] = endpoint_.bounces().descriptor();
    count = 1;
  } else {
    void* descriptor = nullptr;
    if (provider.local_registration) {
      const auto& region = static_cast<const OfiRegion&>(*transfer.region);
      auto registration = region.registration(Use::kLocal, endpoint_.endpoint());
      if (!registration.has_value()) {
        endpoint_.give_part(part);
        end(registration.error());
        return false;
      }
      descriptor = (*registration)->descriptor;
    }
    std::size_t skip = flight.posted_bytes;
    for (const memory::Span& span : transfer.local.spans()) {
      if (skip >= span.size_bytes) {
        skip -= span.size_bytes;
        continue;
      }
      if (count == provider.spans_max || size == left) break;
      const std::size_t step = std::min(span.size_bytes - skip, left - size);
      spans[count] = {span.data + skip, step};
      descriptors[count++] = descriptor;
      size += step;
      skip = 0;
    }
  }
  part->size_bytes = size;
  fi_rma_iov there{flight.key.base + transfer.offset_bytes + flight.posted_bytes, size, flight.key.rkey};
  fi_msg_rma message{};
  message.msg_iov = spans;
  message.desc = descriptors;
  message.iov_count = count;
  message.addr = node_->address;
  message.rma_iov = &there;
  message.rma_iov_count = 1;
  message.context = &part->space;
  // Complete means that local memory is free again. Where a message would not stay behind the data by itself, it has to mean
  // that the data is there.
  const Turn turn(endpoint_.pair());
  if (!turn) {
    endpoint_.give_part(part);
    return false;
  }
  if (endpoint_.pair() != nullptr) endpoint_.pair()->did();
  const bool ordered = flight.size_bytes <= provider.ordered_put_bytes_max;
  const ssize_t result =
      flight.is_put ? fi_writemsg(endpoint_.endpoint(), &message, FI_COMPLETION | (ordered ? 0 : FI_DELIVERY_COMPLETE))
                    : fi_readmsg(endpoint_.endpoint(), &message, FI_COMPLETION);
  if (result != 0) {
    endpoint_.give_part(part);
    if (result == -FI_EAGAIN) return false;
    flight.error = errno_of(result);
    end(status_of(flight.is_put ? "fi_writemsg" : "fi_readmsg", result));
    return false;
  }
  endpoint_.began(*node_);
  ++flight.parts;
  flight.posted_bytes += size;
  posted_bytes_ += size;
  unposted_bytes_ -= size;
  endpoint_.was_sent();
  return true;
}

bool OfiChannel::frame_messages() {
  if (queue_ == nullptr) return true;
  const std::uint32_t settled = settled_puts();
  Outgoing* done = nullptr;
  Outgoing** done_tail = &done;
  bool all = true;
  while (queue_ != nullptr && !before(settled, queue_->lengths[0]) && has_credit()) {
    SendSlot* const slot = new_piece();
    if (slot == nullptr) {
      all = false;
      break;
    }
    while (queue_ != nullptr && slot->size_bytes < kPieceBytes && !before(settled, queue_->lengths[0])) {
      Outgoing& message = *queue_;
      const std::size_t head = message.head.size();
      const std::size_t payload = message.payload.size_bytes();
      if (framed_ == 0) {
        if (head > remote_limits_.head_bytes_max || payload > remote_limits_.payload_bytes_max) {
          end(Status(EMSGSIZE, "a message is beyond the limits of the other end"));
          break;
        }
        // A prefix is never torn; a few bytes at the end of a piece stay unused.
        if (kPieceBytes - slot->size_bytes < kPrefixBytes) break;
        const std::uint32_t lengths[2] = {static_cast<std::uint32_t>(head), static_cast<std::uint32_t>(payload)};
        std::memcpy(slot->data + slot->size_bytes, lengths, kPrefixBytes);
        slot->size_bytes += kPrefixBytes;
        framed_ = kPrefixBytes;
      }
      const std::size_t head_end = kPrefixBytes + head;
      if (framed_ < head_end) {
        const std::size_t step = std::min(head_end - framed_, kPieceBytes - slot->size_bytes);
        std::memcpy(slot->data + slot->size_bytes, message.head.data() + (framed_ - kPrefixBytes), step);
        slot->size_bytes += step;
        framed_ += step;
      }
      if (framed_ >= head_end) {
        const std::size_t step = std::min(head_end + payload - framed_, kPieceBytes - slot->size_bytes);
        if (step > 0) message.payload.copy_out(framed_ - head_end, {slot->data + slot->size_bytes, step});
        slot->size_bytes += step;
        framed_ += step;
      }
      if (framed_ < head_end + payload) break;
      framed_ = 0;
      queue_ = message.next;
      if (queue_ == nullptr) queue_tail_ = &queue_;
      message.next = nullptr;
      *done_tail = &message;
      done_tail = &message.next;
    }
    if (slot->size_bytes > sizeof(PieceHeader)) {
      post(slot, PieceKind::kData);
    } else {
      endpoint_.give_slot(slot);
    }
    if (ending_) break;
  }
  while (done != nullptr) {
    Outgoing& message = *done;
    done = message.next;
    endpoint_.was_sent();
    message.sent(message, true);
  }
  return all;
}

bool OfiChannel::put_settled(const Flight& flight) const {
  if (flight.posted_bytes < flight.size_bytes) return false;
  return flight.parts == 0 || flight.size_bytes <= endpoint_.provider().ordered_put_bytes_max;
}

// Puts with smaller ordinals need not be waited for by messages.
std::uint32_t OfiChannel::settled_puts() const {
  for (const Flight& flight : flights_) {
    if (flight.is_put && !put_settled(flight)) return flight.put_ordinal;
  }
  if (waiting_[1].head != nullptr) return static_cast<std::uint32_t>(waiting_[1].head->words[0]);
  return puts_begun_;
}

std::uint32_t OfiChannel::floor() const {
  for (const Flight& flight : flights_) {
    if (flight.over) continue;
    if (!flight.is_put || !put_settled(flight)) return flight.number;
  }
  return next_number_;
}

// ---- transfers' ends ----

void OfiChannel::part_done(TransferPart& part, int error) {
  Flight& flight = *part.flight;
  if (part.bounce != nullptr && !flight.is_put && error == 0) {
    flight.transfer->local.copy_in(part.offset_bytes, {part.bounce, part.size_bytes});
  }
  --flight.parts;
  posted_bytes_ -= part.size_bytes;
  if (error != 0 && flight.error == 0) flight.error = error;
  if (flight.parts == 0 && (flight.error != 0 || flight.posted_bytes == flight.size_bytes)) {
    flight.over = true;
    endpoint_.finished(flight);
  }
  endpoint_.wake(*this);
}

std::size_t OfiChannel::tell_flight(Flight& flight) {
  Transfer& transfer = *flight.transfer;
  const int error = flight.error;
  unposted_bytes_ -= flight.size_bytes - flight.posted_bytes;
  const auto at = std::find_if(flights_.begin(), flights_.end(), [&](const Flight& each) { return &each == &flight; });
  flights_.erase(at);
  if (error != 0) end(Status(error, "a transfer failed: the other end's window refused it, or the connection broke"));
  endpoint_.wake(*this);
  transfer.done(transfer, error);
  return 1;
}

// ---- ending ----

bool OfiChannel::uses(std::uint64_t window) const {
  return std::any_of(open_.begin(), open_.end(), [&](const Open& open) { return open.window == window; });
}

void OfiChannel::end(const Status& why) {
  if (ending_) return;
  ending_ = true;
  why_ = why;
  ending_since_ns_ = endpoint_.loop().clock().monotonic_ns();
  grants_.clear();
  if (receiver_ != nullptr) endpoint_.closing(*this);
  endpoint_.wake(*this);
}

void OfiChannel::lose(const Status& why) {
  end(why);
  ending_since_ns_ = endpoint_.loop().clock().monotonic_ns();
  open_.clear();
}

void OfiChannel::abandon_flights() {
  for (Flight& flight : flights_) {
    if (flight.over) continue;
    endpoint_.abandon(flight);  // posted_bytes_ stays: nothing more is posted on a channel that ends
    flight.parts = 0;
    if (flight.error == 0) flight.error = ECONNRESET;
  }
  endpoint_.wake(*this);
}

void OfiChannel::say_bye() {
  if (node_->cut) return;
  SendSlot* const slot = new_piece();
  if (slot == nullptr) return;
  bye_said_ = true;
  endpoint_.said_bye();
  post(slot, PieceKind::kBye);
}

bool OfiChannel::welcome() {
  SendSlot* const slot = new_piece();
  if (slot == nullptr) return false;
  const Introduction own = introduction();
  std::memcpy(slot->data + slot->size_bytes, &own, sizeof own);
  slot->size_bytes += sizeof own;
  post(slot, PieceKind::kWelcome);
  return true;
}

void OfiChannel::say_bye_to(PeerNode& peer) {
  bye_said_ = endpoint_.send_alone(peer, PieceKind::kBye, remote_id_, remote_secret_, {});
}

std::size_t OfiChannel::settle(std::int64_t now_ns) {
  const std::int64_t waited = now_ns - ending_since_ns_;
  if (node_->cut && endpoint_.has_settled(waited)) abandon_flights();
  if (waited > kGraceNs && !node_->cut) {
    endpoint_.cut(*node_, Status(ECONNRESET, "the other end did not let go of a channel that was closed"));
    return 0;
  }
  // Nothing of the other end is under way: it had no leave, has said so, or is cut off.
  const bool quiet = open_.empty() || bye_heard_ || node_->cut || !met_;
  if (!flights_.empty() || !quiet || !(bye_said_ || node_->cut || !met_)) return 0;

  std::size_t count = 1;
  endpoint_.forget(*this);
  node_ = nullptr;
  // Each of these calls may hand over more.
  while (waiting_[0].head != nullptr || waiting_[1].head != nullptr || queue_ != nullptr) {
    ++count;
    if (queue_ != nullptr) {
      Outgoing& message = *queue_;
      queue_ = message.next;
      if (queue_ == nullptr) queue_tail_ = &queue_;
      message.sent(message, false);
      continue;
    }
    Fifo& fifo = waiting_[waiting_[0].head != nullptr ? 0 : 1];
    Transfer& transfer = *fifo.head;
    fifo.head = transfer.next;
    if (fifo.head == nullptr) fifo.tail = &fifo.head;
    transfer.done(transfer, ECANCELED);
  }
  told_ = true;
  receiver_->on_closed(why_);  // may destroy this
  return count;
}

}  // namespace ross::fabric::ofi
