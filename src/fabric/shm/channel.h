// ShmChannel: a Channel through two rings in shared memory and a socket that wakes and hangs up.
//
// The loop looks at it by ShmEndpoint; a pass takes what the peer published, moves what was asked for within bounds,
// publishes what was written, and wakes the peer where it sleeps. Between two processes that are awake no system call is made
// for a message.
//
// Nothing of the peer's is believed: a record is copied or copied from only after its sizes were read once and checked, and
// what cannot be ends the channel. What the peer left in its ring before it went away is still delivered.
//
// Ownership: as channel.h says; its endpoint outlives it. Threading: owner thread (the loop's).
#pragma once

#include <memory>
#include <vector>

#include "fabric/channel.h"
#include "fabric/shm/greeting.h"
#include "fabric/shm/peer_memory.h"
#include "fabric/shm/region.h"
#include "fabric/shm/ring.h"
#include "fabric/shm/served.h"
#include "fabric/shm/transfers.h"
#include "fabric/shm/watch.h"

namespace ross::fabric::shm {

class ShmEndpoint;

class ShmChannel final : public Channel, public Watched {
 public:
  // How long a peer that copies to or from a window of ours is waited for when the window is revoked or the channel ends. It
  // needs microseconds unless it was stopped in the middle.
  static constexpr std::int64_t kSettleNs = 500'000'000;

  ShmChannel(ShmEndpoint& endpoint, Link link, ChannelLimits limits);
  ~ShmChannel() override;

  [[nodiscard]] const Peer& peer() const override { return peer_; }
  void start(Receiver& receiver) override;
  void send(Outgoing& message) override;
  void put(Transfer& transfer) override;
  void get(Transfer& transfer) override;
  void close() override { end(Status(ESHUTDOWN, "the connection was closed")); }

  // Of the endpoint.
  void begin();
  [[nodiscard]] std::uint64_t number() const { return number_; }
  std::size_t poll();  // may destroy this
  std::int64_t arm();
  void disarm() { inbox_->sleeper_wants.store(0, std::memory_order_relaxed); }
  void on_ready() override;
  // Passes a region in which windows are or will be, once.
  void share(const SharedRegion& region);
  // The window is closed in the table: when this returns the peer does not touch it, or the channel has ended.
  void revoked(std::uint32_t index);

 private:
  void end(const Status& why);
  std::size_t finish();
  [[nodiscard]] bool marked(std::uint32_t index) const;  // 0: any
  [[nodiscard]] bool settled() const;
  bool wait_until_unmarked(std::uint32_t index);

  std::size_t receive();
  Status take(const RecordPrefix& prefix, const std::byte* head, std::span<const std::byte> chunk);
  Status take_message(const RecordPrefix& prefix, const std::byte* head);
  Status take_chunk(std::span<const std::byte> chunk);
  std::size_t transmit();
  Result<Progress> push_messages();
  void wake(std::uint32_t wanting);
  void receive_passed_things();

  ShmEndpoint& endpoint_;
  const Socket socket_;
  const Peer peer_;
  const ChannelLimits limits_;
  const std::uint64_t number_;
  const bool shares_windows_;
  const SharedMemory inbox_memory_;
  const SharedMemory outbox_memory_;
  InboxHeader* const inbox_;
  InboxHeader* const outbox_;
  RingReader reader_;
  RingWriter writer_;
  PeerMemory peer_memory_;
  Transfers transfers_;
  Served served_;

  Receiver* receiver_ = nullptr;
  std::vector<std::byte> head_;  // a copy of the peer's
  memory::Memory payload_;
  std::size_t payload_done_ = 0;
  bool in_payload_ = false;

  Fifo<Outgoing> queue_;
  std::size_t front_done_ = 0;  // of its payload
  bool front_begun_ = false;
  Fifo<Outgoing> sent_;  // in the ring, not told yet

  bool fresh_ = false;  // something was asked for since the last pass
  Progress progress_ = Progress::kDone;
  bool hung_up_ = false;
  bool watched_ = false;
  bool ended_ = false;
  bool told_ = false;
  std::int64_t settle_until_ns_ = 0;
  Status why_;

  std::vector<std::uint64_t> shared_;  // regions that were passed, the last kRegionsMax
  std::array<std::byte, sizeof(RegionNote)> note_{};
  std::size_t note_got_ = 0;
  std::vector<Descriptor> passed_;
};

}  // namespace ross::fabric::shm
