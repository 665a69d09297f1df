#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "fabric/stream/stream_channel.h"

namespace ross::fabric::stream {
namespace {

// Room for the prefix, the head and one piece of payload must be left to begin a frame.
bool has_room(const SendPlan& plan) {
  return plan.frame_count < SendPlan::kFramesMax && plan.piece_count + 3 <= SendPlan::kPiecesMax;
}

// Adds bytes behind the first skip of them, and takes from skip what it used.
void add_piece(SendPlan& plan, const void* data, std::size_t bytes, std::size_t& skip) {
  if (skip >= bytes) {
    skip -= bytes;
    return;
  }
  // What a send reads is not changed.
  auto* const at = const_cast<std::byte*>(static_cast<const std::byte*>(data)) + skip;
  plan.pieces[plan.piece_count++] = {at, bytes - skip};
  plan.bytes += bytes - skip;
  skip = 0;
}

// Adds [offset, offset + bytes) of memory, or what there are pieces for.
void add_memory(SendPlan& plan, const memory::Memory& memory, std::size_t offset, std::size_t bytes,
                std::size_t& skip) {
  for (const memory::Span& span : memory.spans()) {
    if (bytes == 0 || plan.piece_count == SendPlan::kPiecesMax) return;
    if (offset >= span.size_bytes) {
      offset -= span.size_bytes;
      continue;
    }
    const std::size_t step = std::min(bytes, span.size_bytes - offset);
    add_piece(plan, span.data + offset, step, skip);
    offset = 0;
    bytes -= step;
  }
}

// A frame of ours: prefix and head are made in the plan, the same ones again for a frame that was half sent.
template <class Head>
void add_head(SendPlan& plan, Kind kind, const Head& head, std::size_t payload_bytes, std::size_t& skip) {
  static_assert(sizeof(Prefix) + sizeof(Head) <= SendPlan::kHeadRoomBytes);
  std::byte* const at = plan.heads[plan.frame_count].data();
  const Prefix prefix = make_prefix(kind, sizeof head, payload_bytes);
  std::memcpy(at, &prefix, sizeof prefix);
  std::memcpy(at + sizeof prefix, &head, sizeof head);
  add_piece(plan, at, sizeof prefix + sizeof head, skip);
}

void add_frame(SendPlan& plan, std::size_t bytes, std::size_t payload, bool reply) {
  plan.frames[plan.frame_count++] = {bytes, payload, reply};
}

}  // namespace

void StreamChannel::send(Outgoing& message) {
  const std::size_t head = message.head.size();
  const std::size_t payload = message.payload.size_bytes();
  ROSS_CHECK(head <= setup_.limits.head_bytes_max && payload <= setup_.limits.payload_bytes_max,
             "a message beyond the limits of its channel");
  const Prefix prefix = make_prefix(Kind::kMessage, head, payload);
  message.lengths[0] = prefix.kind_and_head_bytes;
  message.lengths[1] = prefix.payload_bytes;
  queue({What::kMessage, &message});
  if (payload <= kSmallBytes) ++small_queued_;
  if (head > setup_.peer_limits.head_bytes_max || payload > setup_.peer_limits.payload_bytes_max) {
    end(Status(EMSGSIZE, "a message beyond the limits of the peer"));
  }
}

void StreamChannel::put(Transfer& transfer) {
  if (setup_.peer_gets_max == 0) return fail_later(transfer, ENOTSUP);
  transfer.words[0] = 0;
  queue({What::kPut, &transfer});
  if (const Result<Key> key = key_of(*transfer.window); !key.has_value()) end(key.error());
}

void StreamChannel::get(Transfer& transfer) {
  if (setup_.peer_gets_max == 0) return fail_later(transfer, ENOTSUP);
  if (!closing_ && gets_.size() - free_gets_.size() < std::min(setup_.peer_gets_max, kGetsMax)) {
    ask_for(transfer);
  } else {
    transfer.next = nullptr;
    *waiting_tail_ = &transfer;
    waiting_tail_ = &transfer.next;
    if (closing_) plan_send();
  }
  if (const Result<Key> key = key_of(*transfer.window); !key.has_value()) end(key.error());
}

// Puts a get among those on the way.
void StreamChannel::ask_for(Transfer& transfer) {
  if (free_gets_.empty()) {
    free_gets_.push_back(static_cast<std::uint32_t>(gets_.size()));
    gets_.push_back({.id = static_cast<std::uint32_t>(gets_.size())});
  }
  const std::uint32_t slot = free_gets_.back();
  free_gets_.pop_back();
  // Another number than the last get of this slot had, so that a late answer to that one is one to nothing.
  gets_[slot] = {.transfer = &transfer, .id = gets_[slot].id + kGetsMax};
  transfer.words[0] = slot;
  queue({What::kGet, &transfer});
}

void StreamChannel::fail_later(Transfer& transfer, int error) {
  transfer.words[1] = static_cast<std::uint64_t>(error);
  transfer.next = failed_;
  failed_ = &transfer;
  if (!send_planned_) set_->want_send(*this);
  send_planned_ = true;
}

std::size_t StreamChannel::tell_failed() {
  std::size_t count = 0;
  Transfer* told = std::exchange(failed_, nullptr);
  while (told != nullptr) {
    Transfer& transfer = *std::exchange(told, told->next);
    transfer.done(transfer, static_cast<int>(transfer.words[1]));
    ++count;
  }
  return count;
}

void StreamChannel::queue(Item item) {
  queue_.push(item);
  plan_send();
}

// It goes out when the loop comes round, so that what is queued until then joins it; after the end it is told so.
void StreamChannel::plan_send() {
  if (closing_) {
    if (told_) set_->ended(*this);
    return;
  }
  if (send_planned_ || no_room_ || mute_) return;
  send_planned_ = true;
  set_->want_send(*this);
}

// Adds the next frame of the queue: at index, behind the first done bytes of a put. A frame that was half sent has the size
// it had, piece, and its first skip bytes are out. False where there is no frame.
bool StreamChannel::plan_item(SendPlan& plan, std::size_t& index, std::size_t& done, std::size_t piece,
                              std::size_t skip) {
  if (index == queue_.size()) return false;
  const Item item = queue_.at(index);
  const std::size_t skipped = skip;
  if (item.what == What::kMessage) {
    const Outgoing& message = item.message();
    const std::size_t payload = message.payload.size_bytes();
    add_piece(plan, message.lengths, sizeof(Prefix), skip);
    add_piece(plan, message.head.data(), message.head.size(), skip);
    add_memory(plan, message.payload, 0, payload, skip);
    add_frame(plan, sizeof(Prefix) + message.head.size() + payload - skipped, payload, false);
    ++index;
    return true;
  }
  const Transfer& transfer = item.transfer();
  const Key key = *key_of(*transfer.window);
  if (item.what == What::kGet) {
    GetHead head{.id = gets_[transfer.words[0]].id, .key = key};
    put_u64(head.offset_bytes, transfer.offset_bytes);
    put_u64(head.size_bytes, transfer.local.size_bytes());
    add_head(plan, Kind::kGet, head, 0, skip);
    add_frame(plan, sizeof(Prefix) + sizeof head - skipped, 0, false);
    ++index;
    return true;
  }
  const std::size_t size = transfer.local.size_bytes();
  PutHead head{.key = key};
  put_u64(head.offset_bytes, transfer.offset_bytes + done);
  const std::size_t payload = std::min(piece, size - done);
  add_head(plan, Kind::kPut, head, payload, skip);
  add_memory(plan, transfer.local, done, payload, skip);
  add_frame(plan, sizeof(Prefix) + sizeof head + payload - skipped, payload, false);
  done += payload;
  if (done == size) {
    ++index;
    done = 0;
  }
  return true;
}

bool StreamChannel::plan_reply(SendPlan& plan, std::size_t& index, std::size_t& done, std::size_t piece,
                               std::size_t skip) {
  if (index == replies_.size()) return false;
  const Reply& reply = replies_.at(index);
  const ReplyHead head{reply.id};
  const std::size_t payload = std::min(piece, reply.memory.size() - done);
  const std::size_t bytes = sizeof(Prefix) + sizeof head + payload - skip;
  add_head(plan, Kind::kReply, head, payload, skip);
  add_memory(plan, memory::Memory(reply.memory), done, payload, skip);
  add_frame(plan, bytes, payload, true);
  done += payload;
  if (done == reply.memory.size()) {
    ++index;
    done = 0;
  }
  return true;
}

void StreamChannel::make_plan(SendPlan& plan) {
  plan.piece_count = 0;
  plan.frame_count = 0;
  plan.bytes = 0;
  std::size_t index[2] = {0, 0};
  std::size_t done[2] = {0, 0};
  if (!queue_.empty() && queue_.front().what == What::kPut) done[0] = queue_.front().transfer().words[0];
  const auto add = [&](bool reply, std::size_t piece, std::size_t skip) {
    return reply ? plan_reply(plan, index[1], done[1], piece, skip) : plan_item(plan, index[0], done[0], piece, skip);
  };
  if (partial_.sent > 0) add(partial_.reply, partial_.payload, partial_.sent);
  bool reply = replies_next_;
  bool other_empty = false;
  while (plan.bytes < kTurnBytes && has_room(plan)) {
    const std::size_t until = plan.bytes + kPieceBytes;
    bool empty = false;
    while (!empty && plan.bytes < until && has_room(plan)) empty = !add(reply, kPieceBytes, 0);
    if (empty && other_empty) break;
    other_empty = empty;
    reply = !reply;
  }
}

std::size_t StreamChannel::send_queued() {
  send_planned_ = false;
  std::size_t count = failed_ != nullptr ? tell_failed() : 0;
  const bool was_mute = mute_;
  count += send_now();
  // What the peer said before it went is still to be read, and then its end is.
  return mute_ && !was_mute && watched_ ? count + receive() : count;
}

std::size_t StreamChannel::send_now() {
  small_queued_ = 0;
  std::size_t count = 0;
  std::size_t total = 0;
  while (!closing_ && !mute_ && (!queue_.empty() || !replies_.empty())) {
    if (total >= kTurnBytes) {
      plan_send();
      return count;
    }
    SendPlan& plan = set_->plan();
    make_plan(plan);
    msghdr header{};
    header.msg_iov = plan.pieces.data();
    header.msg_iovlen = plan.piece_count;
    const ssize_t result = ::sendmsg(setup_.socket.fd(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0 && errno == EAGAIN) {
      want_room(true);
      return count;
    }
    ++count;
    if (result < 0 && (errno == EPIPE || errno == ECONNRESET)) {
      mute_ = true;
      return count;
    }
    if (result < 0) {
      end(lost(errno));
      return count;
    }
    const auto bytes = static_cast<std::size_t>(result);
    total += bytes;
    const bool all = bytes == plan.bytes;
    count += sent(plan, bytes);
    if (!all && !closing_) {
      want_room(true);
      return count;
    }
  }
  if (no_room_ && !closing_) want_room(false);
  return count;
}

// Tells whose frames are out. Their code may queue more and may close.
std::size_t StreamChannel::sent(const SendPlan& plan, std::size_t bytes) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < plan.frame_count && !closing_; ++i) {
    // The plan is the set's: another channel's may take its place in a call below only after this one has returned.
    const SendPlan::Frame frame = plan.frames[i];
    if (bytes < frame.bytes) {
      if (bytes > 0) partial_ = {.sent = partial_.sent + bytes, .payload = frame.payload, .reply = frame.reply};
      break;
    }
    bytes -= frame.bytes;
    partial_ = {};
    replies_next_ = !frame.reply;
    frame_sent(frame);
    ++count;
  }
  return count;
}

void StreamChannel::frame_sent(const SendPlan::Frame& frame) {
  if (frame.reply) {
    Reply& reply = replies_.front();
    reply.memory = reply.memory.subspan(frame.payload);
    if (!reply.memory.empty()) return;
    setup_.home->windows.let_go(reply.slot);
    replies_.pop();
    return;
  }
  const Item item = queue_.front();
  if (item.what == What::kMessage) {
    queue_.pop();
    item.message().sent(item.message(), true);  // may free it, may send more, may close
    return;
  }
  Transfer& transfer = item.transfer();
  if (item.what == What::kGet) {
    gets_[transfer.words[0]].asked = true;
    queue_.pop();
    return;
  }
  transfer.words[0] += frame.payload;
  if (transfer.words[0] < transfer.local.size_bytes()) return;
  queue_.pop();
  transfer.done(transfer, 0);
}

void StreamChannel::want_room(bool wanted) {
  if (no_room_ == wanted) return;
  no_room_ = wanted;
  if (watched_) set_->rewatch(setup_.socket.fd(), *this, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace ross::fabric::stream
