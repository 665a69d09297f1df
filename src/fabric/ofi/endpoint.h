// OfiEndpoint: one fid_ep with its completion queue and address table on one loop, and the channels over it.
//
// A pass of poll() has three parts. Arriving reads the completion queue: headers are checked, credits, announcements and the ends
// of transfers are noted at once, what users have to hear of is put in a queue. Telling runs that queue. Flushing sends
// what channels have to send. Arriving alone may also happen inside revoke(), which has to know who is at a window.
//
// Peers: channels to the same endpoint share one entry of the address table, and with it the provider's connection and its fate.
// Pieces to a peer leave in order; what the provider cannot take now waits in the peer's outbox.
//
// Between processes of one machine it has one peer and one channel, and calls the provider in its turns only (pair.h); where there
// is no pair, a turn is a null pointer to look at. paired.cc is the part that is about this.
//
// Ownership: outlives its channels. Threading: owner thread (the loop's).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "fabric/ofi/buffers.h"
#include "fabric/ofi/domain.h"
#include "fabric/ofi/pair.h"
#include "fabric/ofi/windows.h"
#include "fabric/ofi/wire.h"

namespace ross::fabric::ofi {

class OfiChannel;
struct Flight;

struct PeerNode {
  std::string raw;  // its address as the provider writes it
  fi_addr_t address = FI_ADDR_UNSPEC;
  std::deque<SendSlot*> outbox;
  unsigned channels = 0;
  unsigned operations = 0;            // posted and not yet completed
  std::int64_t stalled_since_ns = 0;  // since when the provider takes nothing
  std::int64_t try_at_ns = 0;
  int broken = 0;        // an errno that the provider answered
  bool reached = false;  // it has taken something
  bool cut = false;
};

// Who makes an endpoint of a pair, and outlives it.
class PairHost {
 public:
  // The channel has been destroyed; the endpoint may be when this call is over.
  virtual void on_channel_gone() = 0;

 protected:
  ~PairHost() = default;
};

struct Pairing {
  std::unique_ptr<Pair> pair;      // null: none of this
  WindowTable* windows = nullptr;  // of all channels of the host
  PairHost* host = nullptr;
  std::uint16_t generation = 1;  // of the channel's number, which no other of the host has
};

// One posted part of a transfer.
struct TransferPart : Context {
  Flight* flight = nullptr;
  PeerNode* peer = nullptr;
  std::byte* bounce = nullptr;
  std::size_t offset_bytes = 0;  // of the transfer
  std::size_t size_bytes = 0;
  TransferPart() : Context(Kind::kTransfer) {}
};

class OfiEndpoint final : public Endpoint, public runtime::Poller {
 public:
  static Result<std::unique_ptr<OfiEndpoint>> create(OfiDomain& domain, runtime::Loop& loop,
                                                     const EndpointOptions& options, Pairing pairing = {});
  ~OfiEndpoint() override;

  std::string address() const override { return address_; }
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) override;
  Result<Window> expose(const Exposure& exposure) override;
  void revoke(const Window& window) override;

  std::size_t poll() override;
  std::int64_t arm() override;
  void disarm() override;
  int fd() const override { return fd_; }

  // For the host of a pair, which watches its socket.
  [[nodiscard]] int pair_fd() const { return pair_->fd(); }
  // The socket can be read. False: the other process is gone.
  bool look_at_pair() {
    pair_->look();
    return !pair_->gone();
  }
  [[nodiscard]] const std::string& peer_name() const { return pair_->peer_name(); }
  // Takes no turn any more. Whether the other end is out, too: then this endpoint may be destroyed without a wait.
  bool part() {
    pair_->close();
    return pair_->quiet();
  }
  // Nothing that was said is on its way to somebody who may hear it.
  [[nodiscard]] bool was_heard() const { return !bye_said_ || pair_->over() || pair_->was_heard(); }

  // For channels.
  OfiDomain& domain() { return domain_; }
  const Provider& provider() const { return domain_.provider(); }
  runtime::Loop& loop() { return loop_; }
  fid_ep* endpoint() { return endpoint_.get(); }
  Pair* pair() { return pair_.get(); }
  WindowTable& windows() { return *windows_; }
  BouncePool& bounces() { return *bounces_; }
  const ChannelLimits& limits() const { return limits_; }
  // Null: none is free now; the channel is flushed again.
  SendSlot* take_slot() { return sends_->take(); }
  void give_slot(SendSlot* slot) { sends_->give(slot); }
  void post(PeerNode& peer, SendSlot* slot);
  // A piece that is of no channel here. False: no slot is free.
  bool send_alone(PeerNode& peer, PieceKind kind, std::uint32_t channel, std::uint64_t secret,
                  std::span<const std::byte> body);
  TransferPart* take_part();
  void give_part(TransferPart* part);
  // The channel has something to send, or to do in its next turn.
  void wake(OfiChannel& channel);
  void was_sent() { ++sent_; }
  // An operation was posted to peer, or is complete.
  void began(PeerNode& peer) { ++peer.operations, ++operations_; }
  void ended(PeerNode& peer) { --peer.operations, --operations_; }
  // Breaks the connection to a peer: nothing of it is under way any more when this returns.
  void cut(PeerNode& peer, const Status& why);
  // After a cut: whether nothing of ours is under way any more either, though it is not told.
  [[nodiscard]] bool has_settled(std::int64_t waited_ns);
  // Cuts off who is at the window.
  void leave_window(std::uint64_t id);
  // The channel is about to be gone.
  void forget(OfiChannel& channel);
  // It is gone.
  void channel_gone();
  // Of the channel's last words.
  void said_bye() { bye_said_ = true; }
  void heard_bye();
  // The channel is to end: it is asked to settle in every pass.
  void closing(OfiChannel& channel) { closing_.push_back(&channel); }
  // The flight has to be told.
  void finished(Flight& flight) { arrivals_.push_back({nullptr, {}, {}, &flight}); }
  // Its parts are not waited for any more.
  void abandon(Flight& flight);

 private:
  struct Slot {
    OfiChannel* channel = nullptr;
    std::uint16_t generation = 1;
  };
  struct Arrival {
    ReceiveBuffer* buffer = nullptr;  // a piece, else flight
    std::span<const std::byte> body;
    PieceHeader header;
    Flight* flight = nullptr;
  };
  struct Dial {
    Connecting* connecting = nullptr;
    std::unique_ptr<OfiChannel> channel;  // null: it has failed already, with why, or waits for its turn
    Status why;
    std::string raw;
    std::int64_t deadline_ns = 0;
    std::int64_t greeted_ns = 0;
    bool by_old_connection = false;  // the greeting went to a peer that was there before
    int tries = 0;
    // Of a pair: to be tried again.
    [[nodiscard]] bool waits_for_turn() const { return channel == nullptr && why.error() == EAGAIN; }
  };

  OfiEndpoint(OfiDomain& domain, runtime::Loop& loop, const EndpointOptions& options, Pairing pairing);
  Status open(const EndpointOptions& options);
  Status bind_and_enable(fi_info* info);

  // Arriving.
  static constexpr int kReadsPerPass = 4;
  std::size_t arrive(int rounds_max);
  void take_entry(const fi_cq_data_entry& entry);
  void take_error();
  void take_piece(ReceiveBuffer& buffer, std::span<const std::byte> bytes);
  void drop(std::string_view what);
  // Telling.
  std::size_t tell();
  void take_hello(const PieceHeader& header, std::span<const std::byte> body);
  void take_welcome(const PieceHeader& header, std::span<const std::byte> body);
  void take_refuse(const PieceHeader& header);
  std::size_t run_dials();
  Status greet(Dial& dial);
  void finish(Dial dial, Result<std::unique_ptr<Channel>> result);
  // Sending.
  bool try_post(SendSlot& slot);
  void drain(PeerNode& peer);
  void drain_outboxes();
  std::size_t flush();
  std::size_t settle();

  // With a pair.
  std::size_t poll_pair();
  void lose_pair();
  [[nodiscard]] bool awaits() const { return operations_ > 0 || !stalled_.empty(); }
  void close_pair();

  Result<PeerNode*> peer_at(const std::string& raw);
  void release(PeerNode& peer);
  Result<std::unique_ptr<OfiChannel>> make_channel(PeerNode& peer);
  OfiChannel* channel_of(const PieceHeader& header);
  [[nodiscard]] std::int64_t now() const { return loop_.clock().monotonic_ns(); }

  OfiDomain& domain_;
  runtime::Loop& loop_;
  const ChannelLimits limits_;
  Acceptor* const acceptor_;
  std::string address_;
  std::string raw_name_;
  int fd_ = -1;
  bool added_ = false;

  const std::unique_ptr<Pair> pair_;  // null where peers are on other machines
  PairHost* const host_;
  const std::uint16_t generation_;  // of the first channel
  bool lost_ = false;               // the pair is over, and the channel was told
  bool unread_ = false;             // completions may be left in the queue
  bool bye_said_ = false;
  unsigned passes_ = 0;

  // Closed in this order: the endpoint before what it uses.
  std::unique_ptr<ReceivePool> receives_;
  std::unique_ptr<SendPool> sends_;
  std::unique_ptr<BouncePool> bounces_;
  std::unique_ptr<WindowTable> own_windows_;
  WindowTable* windows_;
  Fid<fid_av> addresses_;
  Fid<fid_cq> queue_;
  Fid<fid_ep> endpoint_;

  std::vector<Slot> slots_;
  std::vector<std::uint16_t> free_slots_;
  std::unordered_map<std::string, std::unique_ptr<PeerNode>> peers_;
  std::vector<std::unique_ptr<PeerNode>> retired_;  // cut, with operations that are not told yet
  std::vector<PeerNode*> stalled_;                  // with an outbox
  std::deque<Arrival> arrivals_;
  std::vector<OfiChannel*> awake_;
  std::vector<OfiChannel*> closing_;
  std::vector<OfiChannel*> turn_;  // being flushed; null: has gone meanwhile
  std::deque<Dial> dials_;
  std::deque<TransferPart> parts_;
  std::vector<TransferPart*> free_parts_;
  std::size_t sent_ = 0;
  std::size_t operations_ = 0;  // of all peers
  bool blocked_ = false;        // something waits for the provider, not for a peer
  std::int64_t idle_ns_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace ross::fabric::ofi
