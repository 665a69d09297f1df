#include "runtime/task.h"

#include <array>
#include <new>

#include "base/sanitizer.h"

namespace ross::runtime::internal {
namespace {

constexpr bool kPooled = !kAddressSanitizer && !kThreadSanitizer;  // they see every frame's life

constexpr std::size_t kClassBytes = 256;
constexpr std::size_t kClasses = 32;             // frames up to 8 KiB
constexpr std::size_t kFramesPerClassMax = 256;  // per thread: the deepest queue in use, and then some

struct FreeFrame {
  FreeFrame* next;
};

struct FreeList {
  FreeFrame* head = nullptr;
  std::size_t count = 0;
};

struct FramePool {
  std::array<FreeList, kClasses> lists;
  ~FramePool() {
    for (auto& list : lists) {
      while (list.head != nullptr) ::operator delete(std::exchange(list.head, list.head->next));
      list.count = kFramesPerClassMax;  // frames freed after this go straight back
    }
  }
};

thread_local FramePool pool;

}  // namespace

void* allocate_frame(std::size_t size_bytes) {
  const std::size_t index = (size_bytes - 1) / kClassBytes;
  if (!kPooled || index >= kClasses) return ::operator new(size_bytes);
  FreeList& list = pool.lists[index];
  if (list.head == nullptr) return ::operator new((index + 1) * kClassBytes);
  --list.count;
  return std::exchange(list.head, list.head->next);
}

void free_frame(void* frame, std::size_t size_bytes) noexcept {
  const std::size_t index = (size_bytes - 1) / kClassBytes;
  if (!kPooled || index >= kClasses) return ::operator delete(frame);
  FreeList& list = pool.lists[index];
  if (list.count >= kFramesPerClassMax) return ::operator delete(frame);
  ++list.count;
  list.head = new (frame) FreeFrame{list.head};
}

}  // namespace ross::runtime::internal
