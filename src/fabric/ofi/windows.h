// WindowTable: what of our memory peers may reach.
//
// A registration that is closed ends new transfers. It does not end one that the provider's software has begun to receive or
// to answer, so transfers are announced (wire.h), and who revokes a window with announced transfers cuts the connection first,
// which the endpoint does.
//
// Ownership: an endpoint's. Threading: owner thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "fabric/ofi/domain.h"
#include "fabric/ofi/wire.h"

namespace ross::fabric::ofi {

class WindowTable {
 public:
  WindowTable(OfiDomain& domain, fid_ep* endpoint) : domain_(domain), endpoint_(endpoint) {}
  Result<Window> expose(const Exposure& exposure, std::uint32_t only_for);
  void revoke(std::uint64_t id);
  // An announced transfer: whether the window allows it.
  [[nodiscard]] Status check(const TransferRecord& record, std::uint32_t channel) const;

 private:
  struct Entry {
    std::span<std::byte> memory;
    Access access = Access::kRead;
    std::uint32_t only_for = 0;
    std::uint64_t rkey = 0;
    Registration own;  // closed with the window; empty where the region's serves
  };

  OfiDomain& domain_;
  fid_ep* const endpoint_;
  std::uint64_t next_id_ = 1;
  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace ross::fabric::ofi
