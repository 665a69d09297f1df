// OfiEndpoint: one fid_ep with its completion queue and address table on one loop, and the channels over it.
//
// A pass of poll() has three parts. Arriving reads the completion queue: headers are checked, credits, announcements and the ends
// of transfers are noted at once, what users have to hear of is put in a queue. Telling runs that queue. Flushing sends
// what channels have to send. Arriving alone may also happen inside revoke(), which has to know who is at a window.
//
// Peers: channels to the same endpoint share one entry of the address table, and with it the provider's connection and its fate.
// Pieces to a peer leave in order; what the provider cannot take now waits in the peer's outbox.
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
#include "fabric/ofi/presence.h"
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
  Watch watch;
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
  static Result<std::unique_ptr<Endpoint>> create(OfiDomain& domain, runtime::Loop& loop,
                                                  const EndpointOptions& options);
  ~OfiEndpoint() override;

  std::string address() const override { return address_; }
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) override;
  Result<Window> expose(const Exposure& exposure) override;
  void revoke(const Window& window) override;

  std::size_t poll() override;
  std::int64_t arm() override;
  int fd() const override { return fd_; }

  // For channels.
  OfiDomain& domain() { return domain_; }
  const Provider& provider() const { return domain_.provider(); }
  runtime::Loop& loop() { return loop_; }
  fid_ep* endpoint() { return endpoint_.get(); }
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
  // Breaks the connection to a peer: nothing of it or for it is under way any more when this returns (README.md for shm).
  void cut(PeerNode& peer, const Status& why);
  // The channel is about to be gone.
  void forget(OfiChannel& channel);
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
    std::unique_ptr<OfiChannel> channel;  // null: it has failed already, with why
    Status why;
    std::string raw;
    std::int64_t deadline_ns = 0;
    std::int64_t begun_ns = 0;
    int tries = 0;
  };

  OfiEndpoint(OfiDomain& domain, runtime::Loop& loop, const EndpointOptions& options);
  Status open(const EndpointOptions& options);
  Status bind_and_enable(fi_info* info);

  // Arriving.
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

  Result<PeerNode*> peer_at(const std::string& raw);
  void release(PeerNode& peer);
  Result<std::unique_ptr<OfiChannel>> make_channel(PeerNode& peer);
  OfiChannel* channel_of(const PieceHeader& header);
  void tick();
  [[nodiscard]] std::int64_t now() const { return loop_.clock().monotonic_ns(); }

  OfiDomain& domain_;
  runtime::Loop& loop_;
  const ChannelLimits limits_;
  Acceptor* const acceptor_;
  std::string address_;
  std::string raw_name_;
  Presence presence_;
  bool has_presence_ = false;
  int fd_ = -1;
  bool added_ = false;
  bool lost_sight_ = false;  // an endpoint of this process went before its address was removed

  // Closed in this order: the endpoint before what it uses.
  std::unique_ptr<ReceivePool> receives_;
  std::unique_ptr<SendPool> sends_;
  std::unique_ptr<BouncePool> bounces_;
  std::unique_ptr<WindowTable> windows_;
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
  bool blocked_ = false;  // something waits for the provider, not for a peer
  std::int64_t idle_ns_ = 0;
  std::int64_t tick_at_ns_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace ross::fabric::ofi
