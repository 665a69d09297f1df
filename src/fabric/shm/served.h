// Served: transfers of a peer that cannot reach our memory itself: its puts and gets come through the ring, and we copy.
//
// Every piece is checked against the windows as they are at that moment. A get is answered in pieces as the ring has room;
// those that wait are bounded by what an honest peer keeps under way.
//
// Ownership: borrows exposed memory, looked up anew for each piece. Threading: owner thread.
#pragma once

#include <cstddef>
#include <deque>

#include "base/status.h"
#include "fabric/shm/ring.h"
#include "fabric/shm/transfers.h"
#include "fabric/shm/window_table.h"

namespace ross::fabric::shm {

class Served {
 public:
  Served(const WindowTable& windows, RingWriter& ring, std::uint64_t link)
      : windows_(windows), ring_(ring), link_(link) {}

  // Requests of the peer; an error ends the channel. head is a copy.
  Status on_put(const TransferHead& head, std::span<const std::byte> chunk);
  Status on_get(const TransferHead& head);
  // Answers as far as there is room.
  Result<Progress> run();
  [[nodiscard]] bool idle() const { return gets_.empty() && placed_ == 0; }
  // Whether a get from this window is not answered yet.
  [[nodiscard]] bool uses(std::uint32_t index) const;

 private:
  struct Answer {  // to the oldest get not answered yet, behind so many confirmations of puts
    TransferHead head;
    std::size_t placed_before;
  };
  Result<Progress> confirm(std::size_t& count);

  const WindowTable& windows_;
  RingWriter& ring_;
  const std::uint64_t link_;
  std::deque<Answer> gets_;
  std::size_t placed_ = 0;  // puts to confirm behind the last of gets_
  std::size_t waiting_ = 0;
};

}  // namespace ross::fabric::shm
