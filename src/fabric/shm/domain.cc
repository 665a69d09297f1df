#include "fabric/shm/domain.h"

#include <bit>

#include "fabric/shm/endpoint.h"
#include "fabric/shm/layout.h"
#include "fabric/shm/region.h"

namespace ross::fabric::shm {
namespace {

class ShmDomain final : public Domain {
 public:
  explicit ShmDomain(const ShmOptions& options) : options_(options) {
    traits_.name = "shm";
    traits_.same_machine_only = true;
    // Through the ring both sides copy, each on a core of its own. A window is one copy, but all of it one side's, and by the
    // kernel, which looks up every page (bench/remote/run --crossover shm).
    traits_.inline_bytes_max = SIZE_MAX;
  }

  const Traits& traits() const override { return traits_; }
  Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) override {
    return ShmEndpoint::open(loop, options_, options);
  }
  Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) override {
    return std::make_unique<ShmRegion>(memory);
  }

 private:
  const ShmOptions options_;
  Traits traits_;
};

}  // namespace

Result<std::unique_ptr<Domain>> make_domain(const ShmOptions& options) {
  if (!std::has_single_bit(options.ring_bytes) || options.ring_bytes < kRingBytesMin ||
      options.ring_bytes > kRingBytesMax) {
    return fail(EINVAL, "ring_bytes is a power of two from 16 KiB to 64 MiB");
  }
  return std::make_unique<ShmDomain>(options);
}

}  // namespace ross::fabric::shm
