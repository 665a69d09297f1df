// On the stream a message is two lengths of 32 bits, the head, then the payload.
//
// One receive and one send are in flight at most. The receive takes the rest of a payload straight into its memory and
// what follows into a buffer, in one system call; heads and small payloads are read from the buffer. The send
// gathers what is queued, many messages in one system call. So a batch of small requests costs one call on each side.
#include "fabric/local/socket_channel.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/units.h"

namespace ross::fabric {
namespace {

constexpr std::size_t kPrefixBytes = 8;
constexpr std::size_t kBufferBytes = 256 * kKiB;
constexpr std::size_t kReceiveSpansMax = 16;
constexpr std::size_t kSendSpansMax = 128;

class SocketChannel final : public Channel {
 public:
  SocketChannel(runtime::Loop& loop, Socket socket, Peer peer, ChannelLimits limits)
      : loop_(loop), socket_(std::move(socket)), peer_(std::move(peer)), limits_(limits), buffer_(kBufferBytes) {
    receive_.channel = this;
    receive_.done = [](runtime::Completion& self, int result) {
      static_cast<Operation&>(self).channel->received(result);
    };
    send_.channel = this;
    send_.done = [](runtime::Completion& self, int result) { static_cast<Operation&>(self).channel->sent(result); };
    turn_.channel = this;
  }
  ~SocketChannel() override {
    ROSS_CHECK(receiver_ == nullptr || closed_told_, "a channel was destroyed before it was closed");
  }

  const Peer& peer() const override { return peer_; }

  void start(Receiver& receiver) override {
    receiver_ = &receiver;
    post_receive();
  }

  void send(Outgoing& message) override {
    ROSS_CHECK(
        message.head.size() <= limits_.head_bytes_max && message.payload.size_bytes() <= limits_.payload_bytes_max,
        "a message beyond the limits of its channel");
    message.next = nullptr;
    message.lengths[0] = static_cast<std::uint32_t>(message.head.size());
    message.lengths[1] = static_cast<std::uint32_t>(message.payload.size_bytes());
    *queue_tail_ = &message;
    queue_tail_ = &message.next;
    // It goes out when the loop comes round, so that what is queued until then joins it; after the end it is told so.
    if (!closing_ && !sending_) plan_turn();
  }

  // Until src/fabric/tcp takes this file's place.
  void put(Transfer& transfer) override { transfer.done(transfer, ENOTSUP); }
  void get(Transfer& transfer) override { transfer.done(transfer, ENOTSUP); }

  void close() override { end(Status(ESHUTDOWN, "the connection was closed")); }

 private:
  struct Operation : runtime::Completion {
    SocketChannel* channel = nullptr;
  };
  struct Turn : runtime::Message {
    SocketChannel* channel = nullptr;
  };

  void plan_turn() {
    if (turn_planned_) return;
    turn_planned_ = true;
    turn_.run = [](runtime::Message& self) { static_cast<Turn&>(self).channel->take_turn(); };
    loop_.post(turn_);
  }

  void take_turn() {
    turn_planned_ = false;
    if (closing_) {
      if (!receiving_ && !sending_) tell_closed();  // may destroy this
      return;
    }
    if (!sending_ && queue_ != nullptr) post_send();
  }

  // ---- receiving ----

  void post_receive() {
    std::size_t count = 0;
    std::size_t room = 0;
    const std::size_t wanted = in_payload_ ? payload_.size_bytes() - payload_done_ : 0;
    std::size_t skip = payload_done_;
    if (wanted > 0) {
      for (const memory::Span& span : payload_.spans()) {
        if (skip >= span.size_bytes) {
          skip -= span.size_bytes;
          continue;
        }
        if (count == kReceiveSpansMax - 1) break;
        receive_spans_[count++] = {span.data + skip, span.size_bytes - skip};
        room += span.size_bytes - skip;
        skip = 0;
      }
    }
    // The buffer takes what comes behind the payload, so it joins only where the spans complete the payload.
    if (room == wanted) receive_spans_[count++] = {buffer_.data() + end_, buffer_.size() - end_};
    receive_header_ = {};
    receive_header_.msg_iov = receive_spans_.data();
    receive_header_.msg_iovlen = count;
    receiving_ = true;
    io_uring_prep_recvmsg(loop_.next_sqe(receive_), socket_.fd(), &receive_header_, 0);
  }

  void received(int result) {
    receiving_ = false;
    if (closing_) return plan_turn();
    if (result == -EINTR || result == -EAGAIN) return post_receive();
    if (result == 0 || result == -ECONNRESET) return end(Status(ESHUTDOWN, "the process at the other end has gone"));
    if (result < 0) return end(Status(-result, "the connection failed: " + Status(-result).message()));
    auto left = static_cast<std::size_t>(result);
    if (in_payload_) {
      const std::size_t step = std::min(left, payload_.size_bytes() - payload_done_);
      payload_done_ += step;
      left -= step;
    }
    end_ += left;
    if (const Status status = take_messages(); !status.ok()) return end(status);
    if (!closing_) post_receive();
  }

  // Everything that is whole in the buffer, and the beginnings of what is not.
  Status take_messages() {
    while (!closing_) {
      if (in_payload_) {
        const std::size_t step = std::min(end_ - begin_, payload_.size_bytes() - payload_done_);
        if (step > 0) {
          payload_.copy_in(payload_done_, std::span(buffer_).subspan(begin_, step));
          payload_done_ += step;
          begin_ += step;
        }
        if (payload_done_ < payload_.size_bytes()) break;
        in_payload_ = false;
        ROSS_STATUS(receiver_->on_message());
        continue;
      }
      if (end_ - begin_ < kPrefixBytes) break;
      std::array<std::uint32_t, 2> lengths{};
      std::memcpy(lengths.data(), buffer_.data() + begin_, kPrefixBytes);
      if (lengths[0] > limits_.head_bytes_max || lengths[1] > limits_.payload_bytes_max) {
        return Status(EMSGSIZE, "the peer sent a message beyond the limits");
      }
      if (end_ - begin_ < kPrefixBytes + lengths[0]) break;
      const std::span head = std::span(buffer_).subspan(begin_ + kPrefixBytes, lengths[0]);
      Result<memory::Memory> payload = receiver_->on_head(head, lengths[1]);
      if (!payload.has_value()) return std::move(payload).error();
      ROSS_CHECK(payload->size_bytes() == lengths[1], "a receiver gave memory of another size than the payload's");
      begin_ += kPrefixBytes + lengths[0];
      payload_ = *payload;
      payload_done_ = 0;
      in_payload_ = true;
    }
    // What is left moves to the front, so that the largest head has room.
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    return {};
  }

  // ---- sending ----

  void post_send() {
    std::size_t count = 0;
    std::size_t skip = sent_bytes_;  // of the first message
    const auto add = [&](const void* data, std::size_t size_bytes) {
      if (skip >= size_bytes) {
        skip -= size_bytes;
        return;
      }
      if (count == kSendSpansMax) return;
      const auto* bytes = static_cast<const std::byte*>(data);
      send_spans_[count++] = {const_cast<std::byte*>(bytes + skip), size_bytes - skip};
      skip = 0;
    };
    for (Outgoing* message = queue_; message != nullptr && count < kSendSpansMax; message = message->next) {
      add(message->lengths, kPrefixBytes);
      add(message->head.data(), message->head.size());
      for (const memory::Span& span : message->payload.spans()) add(span.data, span.size_bytes);
    }
    send_header_ = {};
    send_header_.msg_iov = send_spans_.data();
    send_header_.msg_iovlen = count;
    sending_ = true;
    io_uring_prep_sendmsg(loop_.next_sqe(send_), socket_.fd(), &send_header_, MSG_NOSIGNAL);
  }

  void sent(int result) {
    sending_ = false;
    if (closing_) return plan_turn();
    if (result < 0 && result != -EINTR && result != -EAGAIN) {
      const bool gone = result == -EPIPE || result == -ECONNRESET;
      return end(gone ? Status(ESHUTDOWN, "the process at the other end has gone")
                      : Status(-result, "the connection failed: " + Status(-result).message()));
    }
    if (result > 0) sent_bytes_ += static_cast<std::size_t>(result);
    while (queue_ != nullptr && !closing_) {
      const std::size_t size = kPrefixBytes + queue_->head.size() + queue_->payload.size_bytes();
      if (sent_bytes_ < size) break;
      sent_bytes_ -= size;
      Outgoing& done = take_first();
      done.sent(done, true);  // may free it, may send more, may close
    }
    if (!closing_ && queue_ != nullptr) post_send();
  }

  Outgoing& take_first() {
    Outgoing& first = *queue_;
    queue_ = first.next;
    if (queue_ == nullptr) queue_tail_ = &queue_;
    return first;
  }

  // ---- ending ----

  void end(const Status& why) {
    if (closing_) return;
    closing_ = true;
    why_ = why;
    ::shutdown(socket_.fd(), SHUT_RDWR);  // ends what is in flight
    plan_turn();                          // the last calls come from the loop, never inside a call of the owner
  }

  void tell_closed() {
    while (queue_ != nullptr) {
      Outgoing& dropped = take_first();
      dropped.sent(dropped, false);
    }
    closed_told_ = true;
    if (receiver_ != nullptr) receiver_->on_closed(why_);  // may destroy this
  }

  runtime::Loop& loop_;
  const Socket socket_;
  const Peer peer_;
  const ChannelLimits limits_;
  Receiver* receiver_ = nullptr;

  std::vector<std::byte> buffer_;  // received and not yet taken: [begin_, end_)
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  memory::Memory payload_;
  std::size_t payload_done_ = 0;
  bool in_payload_ = false;
  bool receiving_ = false;
  Operation receive_;
  msghdr receive_header_{};
  std::array<iovec, kReceiveSpansMax> receive_spans_{};

  Outgoing* queue_ = nullptr;
  Outgoing** queue_tail_ = &queue_;
  std::size_t sent_bytes_ = 0;  // of the first in the queue
  bool sending_ = false;
  Operation send_;
  msghdr send_header_{};
  std::array<iovec, kSendSpansMax> send_spans_{};

  Turn turn_;
  bool turn_planned_ = false;
  bool closing_ = false;
  bool closed_told_ = false;
  Status why_;
};

}  // namespace

Result<std::unique_ptr<Channel>> make_socket_channel(runtime::Loop& loop, Socket socket, ChannelLimits limits) {
  ROSS_CHECK(kPrefixBytes + limits.head_bytes_max <= kBufferBytes, "heads larger than the receive buffer");
  ROSS_OK(loop.ring());
  ROSS_TRY(Peer peer, peer_of(socket.fd()));
  return std::make_unique<SocketChannel>(loop, std::move(socket), std::move(peer), limits);
}

}  // namespace ross::fabric
