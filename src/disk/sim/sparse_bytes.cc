#include "disk/sim/sparse_bytes.h"

#include <algorithm>
#include <cstring>

namespace ross::disk {
namespace {

// Cuts [offset, offset + size) at page boundaries: each(page number, offset in the page, offset in the range, size).
template <class Each>
void for_each_page(std::uint64_t offset_bytes, std::uint64_t size_bytes, Each&& each) {
  for (std::uint64_t done = 0; done < size_bytes;) {
    const std::uint64_t at = offset_bytes + done;
    const std::uint64_t inside = at % SparseBytes::kPageBytes;
    const std::uint64_t step = std::min(size_bytes - done, SparseBytes::kPageBytes - inside);
    each(at / SparseBytes::kPageBytes, inside, done, step);
    done += step;
  }
}

}  // namespace

std::byte* SparseBytes::page(std::uint64_t number) {
  auto& page = pages_[number];
  if (!page) page = std::make_unique<std::byte[]>(kPageBytes);
  return page.get();
}

void SparseBytes::load(std::uint64_t offset_bytes, std::span<std::byte> into) const {
  for_each_page(offset_bytes, into.size(), [&](auto number, auto inside, auto done, auto step) {
    const auto found = pages_.find(number);
    if (found == pages_.end()) {
      std::memset(into.data() + done, 0, step);
    } else {
      std::memcpy(into.data() + done, found->second.get() + inside, step);
    }
  });
}

void SparseBytes::store(std::uint64_t offset_bytes, std::span<const std::byte> from) {
  for_each_page(offset_bytes, from.size(), [&](auto number, auto inside, auto done, auto step) {
    std::memcpy(page(number) + inside, from.data() + done, step);
  });
}

void SparseBytes::clear(std::uint64_t offset_bytes, std::uint64_t size_bytes) {
  for_each_page(offset_bytes, size_bytes, [&](auto number, auto inside, auto, auto step) {
    const auto found = pages_.find(number);
    if (found == pages_.end()) return;
    if (step == kPageBytes) {
      pages_.erase(found);
    } else {
      std::memset(found->second.get() + inside, 0, step);
    }
  });
}

void SparseBytes::flip(std::uint64_t offset_bytes, unsigned bit) {
  page(offset_bytes / kPageBytes)[offset_bytes % kPageBytes] ^= std::byte{1} << (bit % 8);
}

}  // namespace ross::disk
