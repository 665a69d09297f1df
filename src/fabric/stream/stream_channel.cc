#include "fabric/stream/stream_channel.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>

#include "base/log.h"

namespace ross::fabric::stream {
namespace {

constexpr std::uint32_t kNoSlot = UINT32_MAX;

// Distinguishes a channel from an earlier one at the same address, in windows that name the one.
std::uint64_t next_serial() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

StreamChannel::StreamChannel(std::shared_ptr<SocketSet> set, Setup setup)
    : set_(std::move(set)), setup_(std::move(setup)), serial_(next_serial()) {
  ROSS_CHECK(sizeof(Prefix) + setup_.limits.head_bytes_max <= SocketSet::kBufferBytes,
             "heads larger than the receive buffer");
  ROSS_CHECK(setup_.limits.payload_bytes_max <= UINT32_MAX, "payloads larger than a frame can say");
  if (setup_.home != nullptr) setup_.home->channels.push_back(this);
}

StreamChannel::~StreamChannel() {
  ROSS_CHECK(receiver_ == nullptr || told_, "a channel was destroyed before it was closed");
  if (watched_) set_->unwatch(setup_.socket.fd(), *this);
  set_->forget(*this);
  if (!closing_) drop_uses();
  if (setup_.home != nullptr) std::erase(setup_.home->channels, this);
}

void StreamChannel::start(Receiver& receiver) {
  receiver_ = &receiver;
  if (closing_) return set_->ended(*this);
  const std::uint32_t events = no_room_ ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (const Status status = set_->watch(setup_.socket.fd(), *this, events); !status.ok()) return end(status);
  watched_ = true;
}

void StreamChannel::close() { end(Status(ESHUTDOWN, "the connection was closed")); }

std::size_t StreamChannel::on_ready(std::uint32_t events) {
  std::size_t count = 0;
  if ((events & EPOLLOUT) != 0) count += send_queued();
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) count += receive();
  return count;
}

void StreamChannel::window_removed(std::uint32_t slot) {
  bool mine = false;
  if (incoming_.uses_window && incoming_.slot == slot) {
    incoming_.uses_window = false;
    mine = true;
  }
  for (std::size_t i = 0; i < replies_.size(); ++i) {
    if (replies_.at(i).slot != slot) continue;
    replies_.at(i).slot = kNoSlot;
    mine = true;
  }
  if (mine) end(Status(ECANCELED, "a window was revoked while the peer used it"));
}

// What ends a channel by the peer's fault: told to the peer if the stream is between two frames, and logged here.
Status StreamChannel::refuse(const Status& status, const char* what) {
  log().warn("channel to {}: {}: {}; the channel ends", setup_.name, what, status.message());
  if (partial_.sent == 0 && !mute_) {
    struct {
      Prefix prefix;
      RefusalHead head;
    } const frame{make_prefix(Kind::kRefusal, sizeof(RefusalHead), 0), {static_cast<std::uint32_t>(status.error())}};
    // As far as it goes: a peer that reads nothing learns nothing.
    static_cast<void>(::send(setup_.socket.fd(), &frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  return Status(status.error(), fmt::format("{}: {}", what, status.message()));
}

Status StreamChannel::lost(int error) const {
  if (error == 0 || error == EPIPE || error == ECONNRESET) {
    return Status(ESHUTDOWN, "the process at the other end has gone");
  }
  if (error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH) {
    return Status(error, fmt::format("{} does not answer any more", setup_.name));
  }
  return Status(error, "the connection failed: " + Status(error).message());
}

void StreamChannel::end(Status why) {
  if (closing_) return;
  closing_ = true;
  why_ = std::move(why);
  if (std::exchange(watched_, false)) set_->unwatch(setup_.socket.fd(), *this);
  set_->stop_receiving(*this);
  drop_uses();
  // The descriptor itself is closed with the channel; other processes may have copies of it.
  ::shutdown(setup_.socket.fd(), SHUT_RDWR);
  set_->ended(*this);  // the last calls come from the loop, never inside a call of the owner
}

void StreamChannel::drop_uses() {
  if (setup_.home == nullptr) return;
  if (std::exchange(incoming_.uses_window, false)) setup_.home->windows.let_go(incoming_.slot);
  while (!replies_.empty()) {
    const Reply reply = replies_.pop();
    if (reply.slot != kNoSlot) setup_.home->windows.let_go(reply.slot);
  }
}

void StreamChannel::tell_closed() {
  const int error = why_.error();
  tell_failed();
  while (!queue_.empty()) {
    const Item item = queue_.pop();
    if (item.what == What::kMessage) item.message().sent(item.message(), false);
    if (item.what == What::kPut) item.transfer().done(item.transfer(), error);
  }
  // By index: what is told may ask again, and is told so again.
  for (std::size_t i = 0; i < gets_.size(); ++i) {
    if (Transfer* const transfer = std::exchange(gets_[i].transfer, nullptr); transfer != nullptr) {
      transfer->done(*transfer, error);
    }
  }
  while (waiting_gets_ != nullptr) {
    Transfer& transfer = *waiting_gets_;
    waiting_gets_ = transfer.next;
    if (waiting_gets_ == nullptr) waiting_tail_ = &waiting_gets_;
    transfer.done(transfer, error);
  }
  if (receiver_ != nullptr && !std::exchange(told_, true)) receiver_->on_closed(why_);  // may destroy this
}

}  // namespace ross::fabric::stream
