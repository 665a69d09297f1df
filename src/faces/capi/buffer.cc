// Registered memory: page-aligned and present, so that a device can move data to and from it directly.
#include <sys/mman.h>

#include <cstdlib>

#include "base/machine.h"
#include "base/units.h"
#include "faces/capi/handles.h"

namespace {

using ross::capi::guarded;
using ross::capi::tell;

constexpr std::size_t kAlignmentBytes = 4096;  // what O_DIRECT wants
constexpr std::size_t kHugePageBytes = 2 * ross::kMiB;
constexpr std::size_t kBufferBytesMax = std::size_t{1} << 40;
// MADV_POPULATE_WRITE of Linux 5.14, by value where the headers are older.
constexpr int kPopulateWrite = 23;

// Makes every page present and writable; 0 or an errno. A kernel that cannot is not asked to. Pages may be larger than what
// the memory is aligned to: a page is there as a whole, so the ends are those of its pages.
int populate(std::byte* data, std::size_t size_bytes) {
  const std::size_t page = ross::page_bytes();
  const std::size_t before = reinterpret_cast<std::uintptr_t>(data) % page;
  for (int tries = 0; tries < 100; ++tries) {
    if (::madvise(data - before, ross::round_up(before + size_bytes, page), kPopulateWrite) == 0) return 0;
    if (errno != EAGAIN && errno != EINTR) return errno == EINVAL ? 0 : errno;
  }
  return EAGAIN;
}

}  // namespace

int ross_buffer_alloc(ross_store* store, size_t length, ross_buffer** buffer) {
  return guarded([&]() -> int {
    if (store == nullptr || buffer == nullptr) return tell(EINVAL, "ross_buffer_alloc needs a store and a place");
    if (length == 0 || length > kBufferBytesMax) return tell(EINVAL, "a buffer has 1 byte to 1 TiB");
    const std::size_t alignment = length >= kHugePageBytes ? kHugePageBytes : kAlignmentBytes;
    const std::size_t rounded = ross::round_up(length, alignment);
    auto made = std::make_unique<ross_buffer>();
    auto* const data = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
    if (data == nullptr) return tell(ENOMEM, "not enough memory for the buffer");
    // Large pages spare the device's address translation; refusal costs only speed.
    if (alignment == kHugePageBytes) static_cast<void>(::madvise(data, rounded, MADV_HUGEPAGE));
    std::memset(data, 0, rounded);
    made->store = store;
    made->data = data;
    made->size_bytes = length;
    made->owned = true;
    ++store->open_handles;
    *buffer = made.release();
    return 0;
  });
}

int ross_buffer_register(ross_store* store, void* data, size_t length, ross_buffer** buffer) {
  return guarded([&]() -> int {
    if (store == nullptr || buffer == nullptr || data == nullptr) {
      return tell(EINVAL, "ross_buffer_register needs a store, memory and a place");
    }
    if (length == 0 || length % kAlignmentBytes != 0 || reinterpret_cast<std::uintptr_t>(data) % kAlignmentBytes != 0) {
      return tell(EINVAL, "registered memory begins and ends on multiples of 4096: use aligned_alloc");
    }
    if (const int error = populate(static_cast<std::byte*>(data), length); error != 0) {
      return tell(EFAULT, "the memory to register is not there or not writable");
    }
    auto made = std::make_unique<ross_buffer>();
    made->store = store;
    made->data = static_cast<std::byte*>(data);
    made->size_bytes = length;
    ++store->open_handles;
    *buffer = made.release();
    return 0;
  });
}

void* ross_buffer_data(const ross_buffer* buffer) { return buffer == nullptr ? nullptr : buffer->data; }

size_t ross_buffer_length(const ross_buffer* buffer) { return buffer == nullptr ? 0 : buffer->size_bytes; }

int ross_buffer_free(ross_buffer* buffer) {
  if (buffer == nullptr) return tell(EINVAL, "the buffer is null");
  if (buffer->inflight.load() != 0) return tell(EBUSY, "queued operations use the buffer: poll them first");
  if (buffer->owned) std::free(buffer->data);
  --buffer->store->open_handles;
  delete buffer;
  return 0;
}
