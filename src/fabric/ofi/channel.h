// OfiChannel: one peer's messages and transfers over an endpoint (wire.h says what travels).
//
// Sending: messages are framed into pieces when the loop comes round, as far as credits go, so those queued until then share
// pieces. Their bytes are copied into registered slots, which is what lets many of them travel in one operation.
// Order: a message is framed only when every put begun before it is posted (where the provider orders a message behind a
// put's data) or complete (else). Transfers are numbered as they are announced.
//
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "fabric/ofi/endpoint.h"

namespace ross::fabric::ofi {

// A transfer that was announced.
struct Flight {
  OfiChannel* channel = nullptr;
  Transfer* transfer = nullptr;
  WindowKey key;
  std::uint32_t number = 0;
  std::uint32_t put_ordinal = 0;
  bool is_put = false;
  bool granted = false;
  std::size_t size_bytes = 0;
  std::size_t posted_bytes = 0;
  unsigned parts = 0;  // posted and not complete
  int error = 0;
  bool over = false;  // queued to be told
};

class OfiChannel final : public Channel {
 public:
  OfiChannel(OfiEndpoint& endpoint, PeerNode& peer, std::uint32_t id);
  ~OfiChannel() override;

  const Peer& peer() const override { return peer_; }
  void start(Receiver& receiver) override;
  void send(Outgoing& message) override;
  void put(Transfer& transfer) override { begin(transfer, true); }
  void get(Transfer& transfer) override { begin(transfer, false); }
  void close() override;

  // For the endpoint.
  [[nodiscard]] std::uint32_t id() const { return id_; }
  [[nodiscard]] std::uint64_t secret() const { return secret_; }
  [[nodiscard]] PeerNode* node() const { return node_; }
  [[nodiscard]] bool met() const { return met_; }
  void meet(const Introduction& other);
  [[nodiscard]] Introduction introduction() const;
  // A piece has arrived; true: there is something to tell of it.
  bool arrive(const PieceHeader& header, std::span<const std::byte> body);
  void tell(const PieceHeader& header, std::span<const std::byte> body);
  void part_done(TransferPart& part, int error);
  std::size_t tell_flight(Flight& flight);
  // Sends what there is to send. False: something waits for the provider.
  bool flush();
  void end(const Status& why);
  // Tells the end when it has come. Returns how many calls that took; the channel may be gone then.
  std::size_t settle(std::int64_t now_ns);
  [[nodiscard]] bool uses(std::uint64_t window) const;
  [[nodiscard]] bool ending() const { return ending_; }
  [[nodiscard]] bool busy() const { return !flights_.empty() || !open_.empty(); }
  // The peer was cut: nothing is under way, whatever was not told.
  void lose(const Status& why);
  void abandon_flights();
  // The first piece. False: no room for it now.
  bool welcome();
  // Over another connection, when this channel's is broken.
  void say_bye_to(PeerNode& peer);

  bool awake = false;  // the endpoint's: in its list

 private:
  void begin(Transfer& transfer, bool is_put);
  // Receiving.
  void violated(std::string_view what);
  Status take_stream(std::span<const std::byte> bytes);
  Status take_head(std::span<const std::byte> head);
  // Sending.
  SendSlot* new_piece();
  void post(SendSlot* slot, PieceKind kind);
  bool flush_grants();
  bool announce();
  bool post_parts();
  bool post_part(Flight& flight);
  bool frame_messages();
  void refuse_transfer(Flight& flight, std::string_view why);
  [[nodiscard]] bool has_credit() const { return sent_credit_ - peer_taken_ < kCredits; }
  [[nodiscard]] bool put_settled(const Flight& flight) const;
  [[nodiscard]] std::uint32_t settled_puts() const;
  [[nodiscard]] std::uint32_t floor() const;
  void say_bye();

  OfiEndpoint& endpoint_;
  PeerNode* node_;
  const std::uint32_t id_;
  const std::uint64_t secret_;
  Peer peer_;
  bool met_ = false;
  std::uint32_t remote_id_ = 0;
  std::uint64_t remote_secret_ = 0;
  ChannelLimits remote_limits_{};
  Receiver* receiver_ = nullptr;

  // Receiving.
  std::uint32_t next_sequence_ = 0;  // that we expect
  std::uint32_t arrived_ = 0;        // pieces with credit
  std::uint32_t taken_ = 0;
  std::uint32_t taken_told_ = 0;
  std::vector<std::vector<std::byte>> early_;  // pieces that came before start()
  std::vector<std::byte> partial_;             // of a prefix or head that spans pieces
  std::uint32_t lengths_[2] = {0, 0};
  bool in_payload_ = false;
  memory::Memory payload_;
  std::size_t payload_done_ = 0;
  struct Open {
    std::uint32_t number;
    std::uint64_t window;
  };
  std::vector<Open> open_;             // the peer's transfers that are under way
  std::vector<std::uint32_t> grants_;  // to be sent

  // Sending.
  std::uint32_t sequence_ = 0;
  std::uint32_t sent_credit_ = 0;
  std::uint32_t peer_taken_ = 0;
  std::uint32_t floor_told_ = 0;
  Outgoing* queue_ = nullptr;
  Outgoing** queue_tail_ = &queue_;
  std::size_t framed_ = 0;  // bytes of the first in the queue
  std::uint32_t puts_begun_ = 0;
  struct Fifo {
    Transfer* head = nullptr;
    Transfer** tail = &head;
  };
  Fifo waiting_[2];  // gets, puts
  std::list<Flight> flights_;
  std::size_t posted_bytes_ = 0;    // of transfers, not complete
  std::size_t unposted_bytes_ = 0;  // of flights
  std::uint32_t next_number_ = 0;

  // Ending.
  bool ending_ = false;
  bool closing_said_ = false;
  bool bye_said_ = false;
  bool bye_heard_ = false;
  bool told_ = false;
  std::int64_t ending_since_ns_ = 0;
  Status why_;
};

}  // namespace ross::fabric::ofi
