// ClockList: what may be evicted, by the clock algorithm: about least recently used first, with no list keeping on use.
//
// An item is listed when it becomes evictable. Using it sets a mark; being in use again takes no notice of the list. Only
// take() looks: it unlists what is in use after all, lists anew what was used since it was listed, and yields the first other.
// So using an item touches that item's memory and no other's. T has a member `ClockHook<T> clock` and a method evictable().
//
// Ownership: none. Threading: as its user's.
#pragma once

#include <cstddef>

namespace ross::engine {

template <class T>
struct ClockHook {
  T* previous = nullptr;
  T* next = nullptr;
  bool listed = false;
  bool used = false;
};

template <class T>
class ClockList {
 public:
  void add(T& item) {
    if (item.clock.listed) return;
    item.clock.listed = true;
    item.clock.previous = newest_;
    item.clock.next = nullptr;
    (newest_ != nullptr ? newest_->clock.next : oldest_) = &item;
    newest_ = &item;
    ++size_;
  }
  void remove(T& item) {
    if (!item.clock.listed) return;
    item.clock.listed = false;
    (item.clock.previous != nullptr ? item.clock.previous->clock.next : oldest_) = item.clock.next;
    (item.clock.next != nullptr ? item.clock.next->clock.previous : newest_) = item.clock.previous;
    --size_;
  }
  // The item to evict next, still listed; null when there is none.
  T* take() {
    for (std::size_t spared = 0; oldest_ != nullptr;) {
      T& item = *oldest_;
      if (!item.evictable()) {
        remove(item);
        continue;
      }
      // The bound keeps one call short when everything was used.
      if (!item.clock.used || spared == kSparedMax) return &item;
      item.clock.used = false;
      remove(item);
      add(item);
      ++spared;
    }
    return nullptr;
  }
  // Visits every listed item; visit may remove the one it is given.
  template <class Visit>
  void each(const Visit& visit) {
    for (T* item = oldest_; item != nullptr;) {
      T* const next = item->clock.next;
      visit(*item);
      item = next;
    }
  }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kSparedMax = 32;
  T* oldest_ = nullptr;
  T* newest_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ross::engine
