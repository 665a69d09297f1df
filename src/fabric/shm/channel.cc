#include "fabric/shm/channel.h"

#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "base/clock.h"
#include "fabric/shm/endpoint.h"
#include "fabric/shm/passing.h"

namespace ross::fabric::shm {
namespace {

constexpr std::int64_t kLookForMarksNs = 50'000;
constexpr int kYieldsMax = 100;       // before a wait for marks sleeps
constexpr int kReceivesPerLook = 16;  // of the socket
// What a pass takes from the ring before it sends what that led to: few, so that the peer has the first answers while the
// next ones are made, on another core.
constexpr std::size_t kRecordsPerPass = 8;

}  // namespace

ShmChannel::ShmChannel(ShmEndpoint& endpoint, Link link, ChannelLimits limits)
    : endpoint_(endpoint),
      socket_(std::move(link.socket)),
      peer_(std::move(link.peer)),
      limits_(limits),
      number_(link.number),
      shares_windows_(link.shares_windows),
      inbox_memory_(std::move(link.inbox)),
      outbox_memory_(std::move(link.outbox)),
      inbox_(reinterpret_cast<InboxHeader*>(inbox_memory_.data())),
      outbox_(reinterpret_cast<InboxHeader*>(outbox_memory_.data())),
      reader_(inbox_memory_.data(), link.ring_bytes),
      writer_(outbox_memory_.data(), link.theirs.ring_bytes),
      peer_memory_(outbox_, std::move(link.table), link.theirs, peer_),
      transfers_(peer_memory_, writer_, [this] { receive_passed_things(); }),
      served_(endpoint.windows(), writer_, number_),
      head_(limits.head_bytes_max) {}

ShmChannel::~ShmChannel() {
  ROSS_CHECK(receiver_ == nullptr || told_, "a channel was destroyed before it was closed");
  if (!told_) {
    inbox_->ended.store(1, std::memory_order_seq_cst);
    ::shutdown(socket_.fd(), SHUT_RDWR);
    wait_until_unmarked(0);
  }
  if (watched_) endpoint_.watch().remove(socket_.fd(), *this);
  endpoint_.forget(*this);
}

// Watches the socket. Where that fails, the peer seems gone.
void ShmChannel::begin() {
  const Status status = endpoint_.watch().add(socket_.fd(), *this);
  watched_ = status.ok();
  if (!status.ok()) end(status);
}

void ShmChannel::start(Receiver& receiver) {
  receiver_ = &receiver;
  fresh_ = true;
}

void ShmChannel::send(Outgoing& message) {
  ROSS_CHECK(message.head.size() <= limits_.head_bytes_max && message.payload.size_bytes() <= limits_.payload_bytes_max,
             "a message beyond the limits of its channel");
  message.lengths[0] = transfers_.begun();  // it waits for these puts
  queue_.push(message);
  fresh_ = true;
}

void ShmChannel::put(Transfer& transfer) {
  transfers_.put(transfer);
  fresh_ = true;
}

void ShmChannel::get(Transfer& transfer) {
  transfers_.get(transfer);
  fresh_ = true;
}

std::size_t ShmChannel::poll() {
  if (ended_) return finish();
  std::size_t count = receive();
  if (!ended_ && (fresh_ || progress_ != Progress::kDone || !served_.idle())) count += transmit();
  return count;
}

// ---- sleeping and waking ----

// In this order: say that we sleep, then look once more. The peer publishes first, then looks whether we sleep.
std::int64_t ShmChannel::arm() {
  if (ended_) {
    if (told_ || (receiver_ == nullptr && !fresh_)) return runtime::Poller::kUntilReadable;
    return settled() ? 0 : kLookForMarksNs;
  }
  const bool receives = receiver_ != nullptr;
  if (fresh_ || progress_ == Progress::kMore || (hung_up_ && receives)) return 0;
  const bool wants_room = progress_ == Progress::kNoRoom;
  inbox_->sleeper_wants.store((receives ? kWantsData : 0) | (wants_room ? kWantsRoom : 0), std::memory_order_seq_cst);
  if (receives && reader_.moved()) return 0;
  if (wants_room) {
    const std::size_t before = writer_.room();
    if (!writer_.refresh() || writer_.room() != before) return 0;
  }
  return runtime::Poller::kUntilReadable;
}

void ShmChannel::wake(std::uint32_t wanting) {
  if ((outbox_->sleeper_wants.load(std::memory_order_seq_cst) & wanting) == 0) return;
  if (outbox_->sleeper_wants.exchange(0, std::memory_order_seq_cst) == 0) return;
  // A full socket wakes, too; a broken one is noticed by its hang-up.
  [[maybe_unused]] const auto sent = ::send(socket_.fd(), &kWakeByte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void ShmChannel::on_ready() {
  receive_passed_things();
  if (hung_up_ && watched_) {
    endpoint_.watch().remove(socket_.fd(), *this);  // it stays readable for ever
    watched_ = false;
  }
}

// Bytes that woke us, and notes that bring a region's descriptor.
void ShmChannel::receive_passed_things() {
  std::array<std::byte, 512> bytes;
  for (int i = 0; i < kReceivesPerLook && !hung_up_; ++i) {
    const auto got = receive_passed(socket_.fd(), bytes, passed_);
    if (!got.has_value()) {
      if (got.error().error() == EAGAIN) return;
      hung_up_ = true;
      if (got.error().error() != ECONNRESET) end(got.error());
      return;
    }
    if (*got == 0) hung_up_ = true;
    for (const std::byte byte : std::span(bytes).first(*got)) {
      if (note_got_ == 0 && byte == kWakeByte) continue;
      note_[note_got_++] = byte;
      if (note_got_ < note_.size()) continue;
      note_got_ = 0;
      RegionNote note{};
      std::memcpy(&note, note_.data(), sizeof note);
      if (note.tag != kRegionByte || passed_.empty())
        return end(Status(EPROTO, "the peer sent a note that makes no sense"));
      Descriptor descriptor = std::move(passed_.front());
      passed_.erase(passed_.begin());
      if (const Status status = peer_memory_.add_region(note.id, std::move(descriptor)); !status.ok())
        return end(status);
    }
    // One comes with each note, which is shorter than what a pass takes.
    if (passed_.size() > kPassedMax) return end(Status(EPROTO, "the peer passed descriptors without saying what for"));
  }
}

void ShmChannel::share(const SharedRegion& region) {
  if (!shares_windows_ || ended_ || std::ranges::find(shared_, region.id) != shared_.end()) return;
  const RegionNote note{.tag = kRegionByte, .zero = {}, .id = region.id};
  const std::array descriptors = {region.memory.fd()};
  // Where the socket is full the peer goes another way until a later window of that region.
  if (!pass(socket_.fd(), std::as_bytes(std::span(&note, 1)), descriptors).ok()) return;
  if (shared_.size() == PeerMemory::kRegionsMax) shared_.erase(shared_.begin());
  shared_.push_back(region.id);
}

// ---- receiving ----

std::size_t ShmChannel::receive() {
  if (receiver_ == nullptr) return 0;
  const bool last = hung_up_;  // then nothing comes behind what this look shows
  std::size_t count = 0;
  bool freed = false;
  bool more = false;
  if (!reader_.refresh()) {
    end(Status(EPROTO, "the peer claims to have written more than its ring holds"));
    return 1;
  }
  while (!ended_ && reader_.available() >= sizeof(RecordPrefix)) {
    RecordPrefix prefix{};
    std::memcpy(&prefix, reader_.front(), sizeof prefix);
    const std::size_t size = record_bytes(prefix.head_bytes, prefix.chunk_bytes);
    if (size > reader_.ring_bytes() / 2) {
      end(Status(EPROTO, "the peer sent a record larger than records are"));
      break;
    }
    if (size > reader_.available()) break;
    more = count == kRecordsPerPass;
    if (more) break;
    const std::byte* const head = reader_.front() + sizeof prefix;
    const Status status = take(prefix, head, {head + record_pad(prefix.head_bytes), prefix.chunk_bytes});
    if (!status.ok()) end(status);
    if (reader_.consume(size)) freed = true;
    ++count;
  }
  if (freed) wake(kWantsRoom);
  if (!ended_) count += transfers_.tell();
  if (last && !more) end(Status(ESHUTDOWN, "the process at the other end has gone"));
  return count;
}

Status ShmChannel::take(const RecordPrefix& prefix, const std::byte* head, std::span<const std::byte> chunk) {
  switch (prefix.kind) {
    case Kind::kMessage:
      ROSS_STATUS(take_message(prefix, head));
      return ended_ ? Status() : take_chunk(chunk);
    case Kind::kMore:
      if (!in_payload_ || chunk.empty() || prefix.head_bytes != 0) break;
      return take_chunk(chunk);
    case Kind::kPut:
    case Kind::kGet: {
      if (prefix.head_bytes != sizeof(TransferHead)) break;
      TransferHead request{};
      std::memcpy(&request, head, sizeof request);
      if (prefix.kind == Kind::kPut) return served_.on_put(request, chunk);
      if (!chunk.empty()) break;
      return served_.on_get(request);
    }
    case Kind::kData:
      if (prefix.head_bytes != 0) break;
      return transfers_.on_data(chunk);
    case Kind::kPlaced:
      if (prefix.head_bytes != 0 || !chunk.empty()) break;
      return transfers_.on_placed();
  }
  return Status(EPROTO, "the peer sent a record that makes no sense");
}

Status ShmChannel::take_message(const RecordPrefix& prefix, const std::byte* head) {
  if (in_payload_) return Status(EPROTO, "the peer sent a message inside another");
  if (prefix.head_bytes > limits_.head_bytes_max || prefix.payload_bytes > limits_.payload_bytes_max) {
    return Status(EMSGSIZE, "the peer sent a message beyond the limits");
  }
  if (prefix.chunk_bytes == 0 && prefix.payload_bytes > 0)
    return Status(EPROTO, "the peer sent a message without its payload");
  // The receiver parses a copy: what it has checked does not change any more.
  if (prefix.head_bytes > 0) std::memcpy(head_.data(), head, prefix.head_bytes);
  auto payload = receiver_->on_head(std::span(head_).first(prefix.head_bytes), prefix.payload_bytes);
  if (!payload.has_value()) return std::move(payload).error();
  ROSS_CHECK(payload->size_bytes() == prefix.payload_bytes,
             "a receiver gave memory of another size than the payload's");
  payload_ = *payload;
  payload_done_ = 0;
  in_payload_ = true;
  return {};
}

Status ShmChannel::take_chunk(std::span<const std::byte> chunk) {
  if (chunk.size() > payload_.size_bytes() - payload_done_)
    return Status(EPROTO, "the peer sent more payload than it said");
  if (!chunk.empty()) payload_.copy_in(payload_done_, chunk);
  payload_done_ += chunk.size();
  if (payload_done_ < payload_.size_bytes()) return {};
  in_payload_ = false;
  return receiver_->on_message();
}

// ---- sending ----

std::size_t ShmChannel::transmit() {
  fresh_ = false;
  std::size_t count = 0;
  progress_ = Progress::kDone;
  const auto note = [this, &count](const Result<Progress>& progress) {
    if (!progress.has_value()) {
      end(progress.error());
    } else {
      progress_ = std::max(progress_, *progress);
      if (*progress == Progress::kMore) ++count;
    }
    return !ended_;
  };
  if (!transfers_.idle() && !note(transfers_.run())) return 1;
  count += transfers_.tell();  // what follows upon a transfer often is a message: it goes out in this pass
  if (ended_) return count;
  if (!served_.idle() && !note(served_.run())) return 1;
  if (!note(push_messages())) return 1;
  if (writer_.publish()) {
    ++count;
    wake(kWantsData);
  }
  while (!sent_.empty()) {
    Outgoing& message = sent_.pop();
    ++count;
    message.sent(message, true);  // may free it, may send more, may close
  }
  return count;
}

Result<Progress> ShmChannel::push_messages() {
  const std::size_t chunk_max = writer_.ring_bytes() / 4;
  std::size_t budget = Transfers::kPassBytes;
  while (!queue_.empty()) {
    if (budget == 0) return Progress::kMore;
    Outgoing& message = queue_.front();
    // The look at the puts before has said what they wait for.
    if (!front_begun_ && !transfers_.landed(message.lengths[0])) return Progress::kDone;
    const std::size_t head_bytes = front_begun_ ? 0 : message.head.size();
    const std::size_t step = std::min(message.payload.size_bytes() - front_done_, chunk_max);
    const std::size_t size = record_bytes(head_bytes, step);
    if (size > writer_.ring_bytes() / 2) return fail(EMSGSIZE, "a message with a head larger than the peer takes");
    ROSS_TRY(const bool fits, writer_.has_room(size));
    if (!fits) return Progress::kNoRoom;
    std::byte* const chunk =
        writer_.begin({.kind = front_begun_ ? Kind::kMore : Kind::kMessage,
                       .head_bytes = static_cast<std::uint32_t>(head_bytes),
                       .chunk_bytes = static_cast<std::uint32_t>(step),
                       .payload_bytes = front_begun_ ? 0 : static_cast<std::uint32_t>(message.payload.size_bytes())},
                      std::span(message.head).first(head_bytes));
    if (step > 0) message.payload.copy_out(front_done_, {chunk, step});
    budget -= std::min(budget, size);
    front_done_ += step;
    front_begun_ = front_done_ < message.payload.size_bytes();
    if (front_begun_) continue;
    front_done_ = 0;
    sent_.push(queue_.pop());
  }
  return Progress::kDone;
}

// ---- ending ----

void ShmChannel::end(const Status& why) {
  if (ended_) return;
  ended_ = true;
  why_ = why;
  if (writer_.publish()) wake(kWantsData);  // what was told as sent
  inbox_->ended.store(1, std::memory_order_seq_cst);
  ::shutdown(socket_.fd(), SHUT_RDWR);
  hung_up_ = true;
  if (watched_) endpoint_.watch().remove(socket_.fd(), *this);
  watched_ = false;
  settle_until_ns_ = system_clock().monotonic_ns() + kSettleNs;
}

// The last calls come from the loop, and when the peer is out of our memory.
std::size_t ShmChannel::finish() {
  if (told_ || !settled()) return 0;
  fresh_ = false;
  std::size_t count = 0;
  for (; !sent_.empty(); ++count) {
    Outgoing& message = sent_.pop();
    message.sent(message, true);
  }
  for (; !queue_.empty(); ++count) {
    Outgoing& message = queue_.pop();
    message.sent(message, false);
  }
  transfers_.fail_all(why_.error());
  if (receiver_ == nullptr) return count;  // until somebody starts it
  told_ = true;
  receiver_->on_closed(why_);  // may destroy this
  return count + 1;
}

bool ShmChannel::marked(std::uint32_t index) const {
  return std::ranges::any_of(inbox_->marks, [index](const std::atomic<std::uint32_t>& mark) {
    const std::uint32_t value = mark.load(std::memory_order_seq_cst);
    return index == 0 ? value != 0 : value == index;
  });
}

bool ShmChannel::settled() const {
  return !shares_windows_ || !marked(0) || peer_memory_.process_gone() ||
         system_clock().monotonic_ns() >= settle_until_ns_;
}

// Waits for a peer in the middle of a copy. False when it does not come out of it.
bool ShmChannel::wait_until_unmarked(std::uint32_t index) {
  if (!shares_windows_ || !marked(index)) return true;
  const std::int64_t until = system_clock().monotonic_ns() + kSettleNs;
  for (int turn = 0; marked(index); ++turn) {
    if (turn < kYieldsMax) {
      ::sched_yield();
      continue;
    }
    if (peer_memory_.process_gone()) return true;
    if (system_clock().monotonic_ns() >= until) return false;
    const timespec moment{.tv_sec = 0, .tv_nsec = kLookForMarksNs};
    ::nanosleep(&moment, nullptr);
  }
  return true;
}

void ShmChannel::revoked(std::uint32_t index) {
  if (!ended_ && served_.uses(index)) end(Status(EACCES, "a window was revoked while the peer was reading it"));
  if (!wait_until_unmarked(index + 1)) end(Status(ETIMEDOUT, "the peer stopped in the middle of a transfer"));
}

}  // namespace ross::fabric::shm
