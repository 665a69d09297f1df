#include "server/buffers.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/log.h"

namespace ross::server {
namespace {

constexpr std::size_t kHugePageBytes = 2 * kMiB;

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

}  // namespace

struct Buffers::Slab {
  std::unique_ptr<std::byte, Free> memory;
  std::vector<std::unique_ptr<fabric::Region>> regions;  // by domain; end before the memory
  std::size_t index = 0;                                 // of its buffers' class
  std::size_t lent = 0;
};

Buffers::Buffers(std::vector<fabric::Domain*> domains) : domains_(std::move(domains)) {}

Buffers::~Buffers() = default;

Buffers::Buffer Buffers::take(std::size_t size_bytes) {
  const std::size_t index = class_of(size_bytes);
  if (free_[index].empty() && !add_slab(index)) return {};
  const Buffer buffer = free_[index].back();
  free_[index].pop_back();
  free_bytes_ -= bytes_of(index);
  ++buffer.slab->lent;
  return buffer;
}

void Buffers::give_back(const Buffer& buffer) {
  Slab& slab = *buffer.slab;
  --slab.lent;
  free_[slab.index].push_back(buffer);
  free_bytes_ += bytes_of(slab.index);
  if (free_bytes_ > kKeptBytesMax && slab.lent == 0) drop(slab);
}

const fabric::Region* Buffers::region(const Buffer& buffer, std::size_t domain) {
  return buffer.slab->regions[domain].get();
}

bool Buffers::add_slab(std::size_t index) {
  auto slab = std::make_unique<Slab>();
  slab->memory.reset(static_cast<std::byte*>(std::aligned_alloc(kHugePageBytes, kSlabBytes)));
  if (slab->memory == nullptr) return false;
  // Only makes it faster: fewer entries of page tables for who copies and pins.
  static_cast<void>(::madvise(slab->memory.get(), kSlabBytes, MADV_HUGEPAGE));
  for (fabric::Domain* const domain : domains_) {
    auto region = domain->add_region({slab->memory.get(), kSlabBytes});
    // Then the fabric copies through memory that it has registered.
    if (!region.has_value()) {
      log().warn("server: buffers are not registered with {}: {}", domain->traits().name, region.error().message());
    }
    slab->regions.push_back(region.has_value() ? *std::move(region) : nullptr);
  }
  slab->index = index;
  for (std::size_t at = kSlabBytes; at > 0; at -= bytes_of(index)) {
    free_[index].push_back({slab->memory.get() + at - bytes_of(index), slab.get()});
  }
  free_bytes_ += kSlabBytes;
  slabs_.push_back(std::move(slab));
  return true;
}

void Buffers::drop(Slab& slab) {
  free_bytes_ -= std::erase_if(free_[slab.index], [&](const Buffer& buffer) { return buffer.slab == &slab; }) *
                 bytes_of(slab.index);
  std::erase_if(slabs_, [&](const auto& each) { return each.get() == &slab; });
}

}  // namespace ross::server
