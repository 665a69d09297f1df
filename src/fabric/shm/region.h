// Memory for transfers: a process's own, or memory that peers can map.
//
//   ROSS_TRY(auto region, shm::allocate_region(64 * kMiB));
//   ... region->memory() holds the buffers; windows in it name the region ...
//
// Windows in a region made by allocate_region() are reached by a plain copy, without a system call: a peer of the same
// user is passed the memory once and maps it all. A region made by Domain::add_region() costs nothing and changes nothing.
// Such a peer may then read and write the whole region until the region is destroyed, which is no more than the kernel lets
// processes of one user do to each other anyway; peers of other users are never passed it.
//
// Ownership: a region frees its memory when destroyed, also where peers still map it. Threading: any thread.
#pragma once

#include <atomic>
#include <memory>

#include "fabric/endpoint.h"
#include "fabric/shm/shared_memory.h"

namespace ross::fabric::shm {

// The last bytes of a shared region: how those who map it learn that it is over.
struct RegionTrailer {
  std::atomic<std::uint32_t> ended;
};
inline constexpr std::size_t kRegionTrailerBytes = 4096;

struct SharedRegion {
  SharedMemory memory;   // with the trailer
  std::uint64_t id = 0;  // random, never 0
};

class ShmRegion final : public Region {
 public:
  explicit ShmRegion(std::span<std::byte> memory) : Region(memory) {}
  ShmRegion(std::span<std::byte> memory, std::shared_ptr<SharedRegion> shared)
      : Region(memory), shared_(std::move(shared)) {}
  ~ShmRegion() override;

  // Null where peers cannot map it. Shared with nobody that keeps it: endpoints hold it weakly, to pass it to peers.
  [[nodiscard]] const std::shared_ptr<SharedRegion>& shared() const { return shared_; }

 private:
  const std::shared_ptr<SharedRegion> shared_;
};

// Errors: EINVAL for no bytes, ENOMEM, EMFILE.
Result<std::unique_ptr<Region>> allocate_region(std::size_t size_bytes);

}  // namespace ross::fabric::shm
