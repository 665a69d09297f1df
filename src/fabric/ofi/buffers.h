// Buffers between libfabric and the channels: receive buffers that are always posted, send slots, and bounce buffers for
// transfers from memory that is in no region.
//
// Room for receiving is posted before a peer is told that it may send: a receiver that is not ready is never relied on. With
// FI_MULTI_RECV messages are packed into large buffers, which come back when less than the largest piece fits; else each
// buffer takes one piece.
//
// Ownership: an endpoint's; closed after its fid_ep is. Threading: owner thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "fabric/ofi/domain.h"
#include "fabric/ofi/pair.h"
#include "fabric/ofi/wire.h"

namespace ross::fabric::ofi {

struct PeerNode;

// Page-aligned memory, registered for our own transfers where the provider wants that.
struct Slab {
  std::span<std::byte> bytes;
  Registration registration;

  static Result<Slab> create(OfiDomain& domain, fid_ep* endpoint, std::size_t size_bytes);
  Slab() = default;
  Slab(Slab&& other) noexcept : bytes(std::exchange(other.bytes, {})), registration(std::move(other.registration)) {}
  Slab& operator=(Slab&&) = delete;
  ~Slab();
};

struct ReceiveBuffer : Context {
  std::span<std::byte> bytes;
  void* descriptor = nullptr;
  unsigned held = 0;      // messages in it that are not taken yet
  bool returned = false;  // the provider is done with it
  ReceiveBuffer() : Context(Kind::kReceive) {}
};

class ReceivePool {
 public:
  // pair: whose turns it posts in; may be null.
  ReceivePool(OfiDomain& domain, fid_ep* endpoint, Pair* pair);
  // Makes room for that many more pieces. ENOMEM and the like.
  Status add_room(std::size_t pieces);
  // A message in buffer is taken.
  void release(ReceiveBuffer& buffer);
  // The provider has returned buffer.
  void returned(ReceiveBuffer& buffer);
  // Posts what could not be posted before. False: some still cannot.
  bool retry();
  [[nodiscard]] std::size_t pieces_max() const;

 private:
  Status add_buffers(std::size_t count);
  void post(ReceiveBuffer& buffer);

  OfiDomain& domain_;
  fid_ep* const endpoint_;
  Pair* const pair_;
  const bool multi_;
  std::size_t room_ = 0;    // pieces promised
  std::size_t posted_ = 0;  // buffers made
  std::vector<Slab> slabs_;
  std::deque<ReceiveBuffer> buffers_;
  std::vector<ReceiveBuffer*> waiting_;
};

// One piece being sent.
struct SendSlot : Context {
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;
  void* descriptor = nullptr;
  PeerNode* peer = nullptr;
  SendSlot() : Context(Kind::kSend) {}
};

class SendPool {
 public:
  SendPool(OfiDomain& domain, fid_ep* endpoint) : domain_(domain), endpoint_(endpoint) {}
  Status add_room(std::size_t pieces);
  SendSlot* take() {
    if (free_.empty()) return nullptr;
    SendSlot* const slot = free_.back();
    free_.pop_back();
    slot->size_bytes = 0;
    return slot;
  }
  void give(SendSlot* slot) { free_.push_back(slot); }
  [[nodiscard]] std::size_t free() const { return free_.size(); }
  [[nodiscard]] std::size_t in_use() const { return slots_.size() - free_.size(); }

 private:
  OfiDomain& domain_;
  fid_ep* const endpoint_;
  std::size_t room_ = 0;
  std::vector<Slab> slabs_;
  std::deque<SendSlot> slots_;
  std::vector<SendSlot*> free_;
};

// kCount buffers of kBytes, made when first needed.
class BouncePool {
 public:
  static constexpr std::size_t kBytes = 256 * 1024;
  static constexpr std::size_t kCount = 32;
  BouncePool(OfiDomain& domain, fid_ep* endpoint) : domain_(domain), endpoint_(endpoint) {}
  // Null: all are taken.
  Result<std::byte*> take();
  void give(std::byte* buffer) { free_.push_back(buffer); }
  [[nodiscard]] void* descriptor() const { return slab_.empty() ? nullptr : slab_.front().registration.descriptor; }

 private:
  OfiDomain& domain_;
  fid_ep* const endpoint_;
  std::vector<Slab> slab_;
  std::vector<std::byte*> free_;
};

}  // namespace ross::fabric::ofi
