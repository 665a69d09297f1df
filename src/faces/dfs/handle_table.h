// HandleTable: numbers that stand for objects across the C interface, checked at every use.
//
// A cookie holds an index, a type and a generation; a cookie whose object is gone, of another type, from before a
// fork, or plain garbage finds nothing, so that a program's mistake is an error and never a crash.
//
//   HandleTable<Mount> mounts(HandleType::kMount, salt);
//   ROSS_TRY(std::uint64_t cookie, mounts.add(std::move(mount)));
//   Mount* mount = mounts.find(cookie);          // null if it is none; no lock
//
// Ownership: the table owns. find() borrows until remove(): closing a handle while another thread uses it is the
// program's mistake, as in every C interface. Limits: kObjectsMax handles at once, ENFILE beyond.
// Threading: guarded; find() is lock-free.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/status.h"

namespace ross::dfs {

enum class HandleType : std::uint8_t {
  kPool = 1,
  kContainer,
  kQueue,
  kMount,
  kObject,
  kSystem,
  kListing,
  kPipeline,
};

template <class T>
class HandleTable {
 public:
  static constexpr std::size_t kChunkObjects = 1024;
  static constexpr std::size_t kChunks = 1024;
  static constexpr std::size_t kObjectsMax = kChunkObjects * kChunks;

  // salt: what tells this table's cookies from those of a process before a fork.
  HandleTable(HandleType type, std::uint32_t salt) : type_(type), salt_(salt) {}
  ~HandleTable() {
    for (auto& chunk : chunks_) delete chunk.load();
  }
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  Result<std::uint64_t> add(std::unique_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    std::uint32_t index;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else {
      if (made_ == kObjectsMax) return fail(ENFILE, "too many handles are open: close some");
      if (made_ % kChunkObjects == 0) chunks_[made_ / kChunkObjects].store(new Chunk, std::memory_order_release);
      index = made_++;
    }
    Slot& slot = *slot_at(index);
    slot.generation = (slot.generation + 1) & kGenerationMask;
    const std::uint64_t cookie = std::uint64_t{static_cast<std::uint8_t>(type_)} << 56 |
                                 std::uint64_t{(slot.generation + salt_) & kGenerationMask} << 20 | index;
    slot.object = std::move(object);
    slot.cookie.store(cookie, std::memory_order_release);
    return cookie;
  }

  [[nodiscard]] T* find(std::uint64_t cookie) const {
    const Slot* slot = slot_at(static_cast<std::uint32_t>(cookie & kIndexMask));
    if (slot == nullptr || cookie == 0 || slot->cookie.load(std::memory_order_acquire) != cookie) return nullptr;
    return slot->object.get();
  }

  // Takes the object out; null if the cookie is none.
  std::unique_ptr<T> remove(std::uint64_t cookie) {
    const std::lock_guard lock(mutex_);
    const auto index = static_cast<std::uint32_t>(cookie & kIndexMask);
    Slot* slot = slot_at(index);
    if (slot == nullptr || cookie == 0 || slot->cookie.load(std::memory_order_relaxed) != cookie) return nullptr;
    slot->cookie.store(0, std::memory_order_release);
    free_.push_back(index);
    return std::move(slot->object);
  }

  // Every cookie that stands for something now.
  [[nodiscard]] std::vector<std::uint64_t> cookies() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t> all;
    for (std::uint32_t index = 0; index < made_; ++index) {
      if (const auto cookie = slot_at(index)->cookie.load(std::memory_order_relaxed); cookie != 0)
        all.push_back(cookie);
    }
    return all;
  }

 private:
  static constexpr std::uint64_t kIndexMask = kObjectsMax - 1;
  static constexpr std::uint64_t kGenerationMask = (std::uint64_t{1} << 36) - 1;

  struct Slot {
    std::atomic<std::uint64_t> cookie{0};
    std::unique_ptr<T> object;
    std::uint64_t generation = 0;  // guarded by mutex_
  };
  using Chunk = std::array<Slot, kChunkObjects>;

  Slot* slot_at(std::uint32_t index) const {
    Chunk* chunk = chunks_[index / kChunkObjects].load(std::memory_order_acquire);
    return chunk == nullptr ? nullptr : &(*chunk)[index % kChunkObjects];
  }

  const HandleType type_;
  const std::uint64_t salt_;
  mutable std::mutex mutex_;
  std::array<std::atomic<Chunk*>, kChunks> chunks_{};  // written under mutex_
  std::vector<std::uint32_t> free_;                    // guarded by mutex_
  std::uint32_t made_ = 0;                             // guarded by mutex_
};

}  // namespace ross::dfs
