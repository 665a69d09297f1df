// Queue: first in, first out, in a ring that grows to what is needed and then allocates no more.
//
// The list pointers inside Outgoing and Transfer cannot hold both kinds in one order, and std::deque gives its blocks back and
// takes new ones as it moves on. Threading: owner thread.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace ross::fabric::stream {

template <class T>
class Queue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // The index-th from the front.
  [[nodiscard]] T& at(std::size_t index) { return ring_[(first_ + index) & (ring_.size() - 1)]; }
  [[nodiscard]] T& front() { return at(0); }
  void push(T value) {
    if (size_ == ring_.size()) grow();
    ring_[(first_ + size_) & (ring_.size() - 1)] = std::move(value);
    ++size_;
  }
  T pop() {
    T value = std::move(front());
    first_ = (first_ + 1) & (ring_.size() - 1);
    --size_;
    return value;
  }

 private:
  void grow() {
    std::vector<T> larger(ring_.empty() ? kFirst : ring_.size() * 2);
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move(at(i));
    ring_ = std::move(larger);
    first_ = 0;
  }
  static constexpr std::size_t kFirst = 16;
  std::vector<T> ring_;  // a power of two, or empty
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace ross::fabric::stream
