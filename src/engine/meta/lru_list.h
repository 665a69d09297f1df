// LruList: an intrusive list in order of last use. T has members `T* lru_previous`, `T* lru_next` and `bool lru_listed`.
//
// Ownership: none. Threading: as its user's.
#pragma once

#include <cstddef>

namespace ross::engine {

template <class T>
class LruList {
 public:
  void push_newest(T& item) {
    item.lru_listed = true;
    item.lru_previous = newest_;
    item.lru_next = nullptr;
    (newest_ != nullptr ? newest_->lru_next : oldest_) = &item;
    newest_ = &item;
    ++size_;
  }
  void remove(T& item) {
    if (!item.lru_listed) return;
    item.lru_listed = false;
    (item.lru_previous != nullptr ? item.lru_previous->lru_next : oldest_) = item.lru_next;
    (item.lru_next != nullptr ? item.lru_next->lru_previous : newest_) = item.lru_previous;
    --size_;
  }
  void touch(T& item) {
    if (newest_ == &item) return;
    remove(item);
    push_newest(item);
  }
  [[nodiscard]] T* oldest() const { return oldest_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  T* oldest_ = nullptr;
  T* newest_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ross::engine
