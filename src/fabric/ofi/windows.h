// WindowTable: what of our memory peers may reach, and who is known to be at it.
//
// A registration that is closed ends new transfers. It does not end one that the provider's software has begun to receive or
// to answer, so transfers are announced (wire.h), and who revokes a window with announced transfers makes them harmless:
//   - where other machines can be reached, by cutting the connection, which the endpoint does;
//   - on a provider of one machine by diverting the key to memory of nobody until the transfer is over, because libfabric's shm
//     never tells the other side of a refusal, whose later transfers would then wait behind this one for ever.
//
// Ownership: an endpoint's. Threading: owner thread.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "fabric/ofi/buffers.h"
#include "fabric/ofi/domain.h"
#include "fabric/ofi/wire.h"

namespace ross::fabric::ofi {

class WindowTable {
 public:
  WindowTable(OfiDomain& domain, fid_ep* endpoint) : domain_(domain), endpoint_(endpoint) {}
  Result<Window> expose(const Exposure& exposure, std::uint32_t only_for);
  // busy: somebody honest may be at it. Diverts the key then, where that is the way.
  void revoke(std::uint64_t id, bool busy);
  // An announced transfer: whether the window allows it.
  [[nodiscard]] Status check(const TransferRecord& record, std::uint32_t channel) const;
  // The window serves no more: its key is diverted while it stays in the table.
  void divert(std::uint64_t id);

 private:
  struct Entry {
    std::span<std::byte> memory;
    Access access = Access::kRead;
    std::uint32_t only_for = 0;
    std::uint64_t rkey = 0;
    Registration own;  // closed with the window; empty where the region's serves
    bool diverted = false;
  };
  struct Diverted {
    Slab memory;
    Registration registration;
  };
  static constexpr std::size_t kDivertedMax = 256;  // the oldest goes; its transfer is long over or its peer dead
  void divert(Entry& entry);

  OfiDomain& domain_;
  fid_ep* const endpoint_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Entry> entries_;
  std::deque<Diverted> diverted_;
};

}  // namespace ross::fabric::ofi
