// PeerMemory: reaching into the windows of a peer of the same user, by copies of our own.
//
// Where the window lies in a region that the peer passed us, a piece is copied in our mapping of it. Else the kernel copies
// (process_vm_readv and process_vm_writev), as far as it let us read and write a probe when the connection was
// made. Else, and always for peers of other users, the transfer has to travel through the ring.
//
// Each piece is marked in the peer's inbox, checked in the peer's table, copied, and unmarked; window_table.h says why
// that is enough for revoke(). What the table says is read once and bounded by what we mapped; an address in it goes only
// to the kernel, as an address in the process that the probe proved to be the peer's. So a wrong table harms who wrote it.
//
// Ownership: owns its mappings. Threading: owner thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "fabric/endpoint.h"
#include "fabric/shm/layout.h"
#include "fabric/shm/shared_memory.h"
#include "fabric/shm/window_table.h"

struct iovec;

namespace ross::fabric::shm {

class PeerMemory {
 public:
  static constexpr std::size_t kRegionsMax = 64;  // of one peer that we map at once

  PeerMemory() = default;
  // inbox is the peer's. Without a table everything goes through the ring.
  PeerMemory(InboxHeader* inbox, SharedMemory table, const Hello& hello, const Peer& peer);

  // Where a piece of a window is, under the given mark until unmark().
  struct Piece {
    std::byte* mapped = nullptr;  // in our mapping of it, or
    std::uint64_t address = 0;    // in the peer's process, or
    bool out_of_reach = false;    // through the ring; then it is not marked
    bool region_missing = false;  // in a region not passed yet: ask again after a look at the socket; it is not marked
  };
  Result<Piece> begin(std::size_t mark, const Window& window, Access access, std::uint64_t offset,
                      std::uint64_t size_bytes);
  void unmark(std::size_t first, std::size_t count);

  // Moves local to or from remote in the peer's process. Bytes moved, at least one; ENOTSUP: no longer this way.
  Result<std::size_t> copy(Access access, const iovec* local, std::size_t locals, const iovec* remote,
                           std::size_t remotes);

  // The peer passed a region. Errors: EPROTO for what is none.
  Status add_region(std::uint64_t id, Descriptor descriptor);

  // Whether no thread of the peer's process runs any more. False where the kernel cannot tell.
  [[nodiscard]] bool process_gone() const;

 private:
  struct Mapped {
    std::uint64_t id;
    SharedMemory memory;
  };
  [[nodiscard]] const SharedMemory* find_region(std::uint64_t id);
  bool probe(const Hello& hello);

  InboxHeader* inbox_ = nullptr;
  SharedMemory table_;
  pid_t pid_ = 0;
  Descriptor process_;      // a pidfd
  std::uint64_t link_ = 0;  // our number at the peer
  bool reads_ = false;      // by the kernel
  bool writes_ = false;
  std::vector<Mapped> regions_;
  std::uint64_t missing_region_ = 0;  // the last one asked for in vain
};

}  // namespace ross::fabric::shm
