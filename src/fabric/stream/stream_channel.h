// StreamChannel: a Channel over a connected stream socket, TCP or Unix.
//
// Receiving: what has a place already (the rest of a payload) is received straight into it, and what comes behind it into the
// set's buffer, in one system call. Heads and small payloads are read from that buffer. While a large payload is under
// way little is taken behind it, because what follows is probably its next part and would have to be copied.
// Sending: one system call gathers what is queued from where it lies, many frames at a time. Two queues take turns, a piece's
// worth of bytes each: what we send of our own accord (messages and puts in their order, and requests for gets), and answers to
// the peer's gets, which nothing orders. So a large transfer the one way holds nothing up that goes the other.
//
// Ownership: the socket is the channel's; windows outlive it. Threading: owner thread (the loop's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fabric/channel.h"
#include "fabric/local/socket.h"
#include "fabric/stream/frame.h"
#include "fabric/stream/queue.h"
#include "fabric/stream/socket_set.h"
#include "fabric/stream/window_table.h"

namespace ross::fabric::stream {

// The windows of an endpoint and the channels that may use them.
struct Home {
  WindowTable windows;
  std::vector<StreamChannel*> channels;
};

class StreamChannel final : public Channel, private Watched {
 public:
  struct Setup {
    Socket socket;
    Peer peer;
    std::string name;  // of the peer, for messages to people
    ChannelLimits limits{};
    ChannelLimits peer_limits{};
    std::uint32_t peer_gets_max = 0;  // 0: the peer has no windows
    Home* home = nullptr;             // null: there are no windows here
  };

  StreamChannel(std::shared_ptr<SocketSet> set, Setup setup);
  ~StreamChannel();

  const Peer& peer() const override { return setup_.peer; }
  void start(Receiver& receiver) override;
  void send(Outgoing& message) override;
  void put(Transfer& transfer) override;
  void get(Transfer& transfer) override;
  void close() override;

  [[nodiscard]] std::uint64_t serial() const { return serial_; }
  // A window is gone of which transfers hold a use: who does is ended.
  void window_removed(std::uint32_t slot);

  // For the set. Each returns how many things were done.
  std::size_t receive();
  std::size_t send_queued();
  void tell_closed();  // may destroy the channel

  // A put or an answer goes out in frames of this size, so that others come between.
  static constexpr std::size_t kPieceBytes = 256 * kKiB;
  // What a channel sends or receives in one turn, about: then it is another's.
  static constexpr std::size_t kTurnBytes = 1024 * kKiB;
  // When so many small messages are queued by what one receive brought they go out, so that the peer works on them while we
  // work on the rest: else the two ends take turns.
  static constexpr std::size_t kEarlyMessages = 8;
  static constexpr std::size_t kSmallBytes = 16 * kKiB;

 private:
  enum class What : std::uint8_t { kMessage, kPut, kGet };
  struct Item {
    What what = What::kMessage;
    void* of = nullptr;
    [[nodiscard]] Outgoing& message() const { return *static_cast<Outgoing*>(of); }
    [[nodiscard]] Transfer& transfer() const { return *static_cast<Transfer*>(of); }
  };
  // An answer to a get of the peer.
  struct Reply {
    std::uint32_t id = 0;
    std::uint32_t slot = 0;
    std::span<std::byte> memory;  // what is left to send
  };
  // A get of ours that the peer has been asked for, or will be by the queue.
  struct Getting {
    Transfer* transfer = nullptr;
    std::size_t received_bytes = 0;
    std::uint32_t id = 0;
    bool asked = false;  // its request is out
  };
  // The frame whose payload comes in.
  struct Incoming {
    Kind kind = Kind::kMessage;
    bool active = false;
    bool uses_window = false;
    std::uint32_t slot = 0;  // of the window, or among the gets
    memory::Memory memory;
    std::size_t offset = 0;  // in memory, where the payload begins
    std::size_t size = 0;
    std::size_t done = 0;
  };
  // The frame that a system call left half sent.
  struct Partial {
    std::size_t sent = 0;  // 0: there is none
    std::size_t payload = 0;
    bool reply = false;
  };

  std::size_t on_ready(std::uint32_t events) override;

  // stream_receive.cc
  Status take(std::size_t received_bytes);
  Status check(const Prefix& prefix);
  Status begin_frame(const Prefix& prefix, const std::byte* head);
  Status begin_message(std::span<const std::byte> head, std::size_t payload_bytes);
  Status begin_put(const PutHead& head, std::size_t payload_bytes);
  Status begin_reply(const ReplyHead& head, std::size_t payload_bytes);
  Status take_get(const GetHead& head);
  Status end_frame();
  Status refuse(const Status& status, const char* what);

  // stream_send.cc
  void queue(Item item);
  void ask_for(Transfer& transfer);
  void make_plan(SendPlan& plan);
  bool plan_item(SendPlan& plan, std::size_t& index, std::size_t& done, std::size_t piece, std::size_t skip);
  bool plan_reply(SendPlan& plan, std::size_t& index, std::size_t& done, std::size_t piece, std::size_t skip);
  void plan_send();
  std::size_t send_now();
  void fail_later(Transfer& transfer, int error);
  std::size_t tell_failed();
  std::size_t sent(const SendPlan& plan, std::size_t bytes);
  void frame_sent(const SendPlan::Frame& frame);
  void want_room(bool wanted);
  Status lost(int error) const;

  void end(Status why);
  void drop_uses();

  const std::shared_ptr<SocketSet> set_;
  const Setup setup_;
  const std::uint64_t serial_;
  Receiver* receiver_ = nullptr;

  Incoming incoming_;
  bool bulk_ = false;            // the last payload was large
  std::vector<std::byte> rest_;  // received, and not yet a whole head
  std::vector<Getting> gets_;    // by slot
  std::vector<std::uint32_t> free_gets_;
  Transfer* waiting_gets_ = nullptr;  // for the peer to answer earlier ones
  Transfer** waiting_tail_ = &waiting_gets_;

  Queue<Item> queue_;
  Queue<Reply> replies_;
  Transfer* failed_ = nullptr;  // to be told so in the next pass, with words[1] as the error
  Partial partial_;
  bool replies_next_ = false;     // whose turn it is
  bool send_planned_ = false;     // in the set's list
  std::size_t small_queued_ = 0;  // messages, since the last send
  bool no_room_ = false;          // epoll tells when there is again
  bool mute_ = false;             // the peer takes nothing any more; what it sent is still to be read

  bool watched_ = false;
  bool closing_ = false;
  bool told_ = false;
  Status why_;
};

}  // namespace ross::fabric::stream
