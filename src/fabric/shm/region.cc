#include "fabric/shm/region.h"

#include "base/machine.h"
#include "base/random.h"
#include "base/units.h"

namespace ross::fabric::shm {

ShmRegion::~ShmRegion() {
  if (shared_ == nullptr) return;
  // Peers find the mark when they next look for room among what they map; the memory itself goes now.
  SharedMemory& memory = shared_->memory;
  memory.discard();
  reinterpret_cast<RegionTrailer*>(memory.data() + memory.size_bytes() - kRegionTrailerBytes)
      ->ended.store(1, std::memory_order_release);
}

Result<std::unique_ptr<Region>> allocate_region(std::size_t size_bytes) {
  if (size_bytes == 0) return fail(EINVAL, "a region of no bytes");
  auto shared = std::make_shared<SharedRegion>();
  ROSS_TRY(shared->memory,
           SharedMemory::create(round_up(size_bytes + kRegionTrailerBytes, page_bytes()), SharedMemory::Shape::kPlain));
  while (shared->id == 0) shared->id = random_seed();
  const std::span memory(shared->memory.data(), size_bytes);
  return std::make_unique<ShmRegion>(memory, std::move(shared));
}

}  // namespace ross::fabric::shm
