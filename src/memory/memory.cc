#include "memory/memory.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "memory/copy_bytes.h"

namespace ross::memory {

template <class Visit>
void Memory::visit(std::size_t offset_bytes, std::size_t size_bytes, Visit&& each) const {
  ROSS_CHECK(offset_bytes <= size_bytes_ && size_bytes <= size_bytes_ - offset_bytes,
             "a range past the end of a memory");
  for (const Span& span : spans()) {
    if (size_bytes == 0) return;
    if (offset_bytes >= span.size_bytes) {
      offset_bytes -= span.size_bytes;
      continue;
    }
    const std::size_t step = std::min(size_bytes, span.size_bytes - offset_bytes);
    each(span.data + offset_bytes, step);
    offset_bytes = 0;
    size_bytes -= step;
  }
}

void Memory::copy_in(std::size_t offset_bytes, std::span<const std::byte> from) const {
  const std::byte* source = from.data();
  visit(offset_bytes, from.size(), [&source](std::byte* at, std::size_t size) {
    copy_bytes(at, source, size);
    source += size;
  });
}

void Memory::copy_out(std::size_t offset_bytes, std::span<std::byte> to) const {
  std::byte* target = to.data();
  visit(offset_bytes, to.size(), [&target](const std::byte* at, std::size_t size) {
    copy_bytes(target, at, size);
    target += size;
  });
}

void Memory::fill_zero(std::size_t offset_bytes, std::size_t size_bytes) const {
  visit(offset_bytes, size_bytes, [](std::byte* at, std::size_t size) { std::memset(at, 0, size); });
}

void slice(const Memory& memory, std::size_t offset_bytes, std::size_t size_bytes, std::vector<Span>& spans) {
  spans.clear();
  for (const Span& span : memory.spans()) {
    if (size_bytes == 0) return;
    if (offset_bytes >= span.size_bytes) {
      offset_bytes -= span.size_bytes;
      continue;
    }
    const std::size_t step = std::min(size_bytes, span.size_bytes - offset_bytes);
    spans.push_back({span.data + offset_bytes, step});
    size_bytes -= step;
    offset_bytes = 0;
  }
}

}  // namespace ross::memory
