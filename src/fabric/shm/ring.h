// RingWriter and RingReader: the two ends of a ring of bytes in shared memory, one producer and one consumer.
//
// Positions count all bytes ever written and never wrap; the place in the ring is their remainder. Each end keeps its own
// position in its own memory and only publishes it; of the other end's it believes nothing but what fits: a tail at
// most a ring ahead of our head, a head at most a ring behind our tail. So whatever stands there, we stay inside the
// ring. The mapping shows the ring twice in a row, which makes every piece contiguous.
//
// Many records are published by one store, and freed in batches of a quarter of the ring. The stores that may have to
// wake a sleeper are sequentially consistent: either the sleeper sees them in its last look, or we see that it sleeps.
//
// Ownership: borrows the mapping. Threading: owner thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "base/status.h"
#include "fabric/shm/layout.h"

namespace ross::fabric::shm {

class RingWriter {
 public:
  RingWriter() = default;
  RingWriter(std::byte* inbox, std::size_t ring_bytes)
      : header_(reinterpret_cast<InboxHeader*>(inbox)), ring_(inbox + kInboxHeaderBytes), ring_bytes_(ring_bytes) {}

  // Looks how far the reader has come. False: it claims what cannot be.
  [[nodiscard]] bool refresh() {
    const std::uint64_t head = header_->head.load(std::memory_order_seq_cst);
    if (tail_ - head > ring_bytes_) return false;
    room_ = (ring_bytes_ - static_cast<std::size_t>(tail_ - head)) & ~(kRecordAlign - 1);
    return true;
  }
  // Whether a record of so many bytes finds room, by a new look where the last one does not show it.
  [[nodiscard]] Result<bool> has_room(std::size_t size_bytes) {
    if (room_ >= size_bytes) return true;
    if (!refresh()) return fail(EPROTO, "the peer claims to have read what was not written");
    return room_ >= size_bytes;
  }
  // As of the last look.
  [[nodiscard]] std::size_t room() const { return room_; }
  [[nodiscard]] std::size_t ring_bytes() const { return ring_bytes_; }

  // Writes the prefix and the head of a record that room() holds, and returns where its chunk goes. What was written before
  // is published where it is much, so that the reader works on it meanwhile.
  std::byte* begin(const RecordPrefix& prefix, std::span<const std::byte> head) {
    if (tail_ - published_ >= ring_bytes_ / 8) store_tail();
    std::byte* const to = ring_ + (tail_ & (ring_bytes_ - 1));
    std::memcpy(to, &prefix, sizeof prefix);
    std::ranges::copy(head, to + sizeof prefix);
    const std::size_t size = record_bytes(prefix.head_bytes, prefix.chunk_bytes);
    tail_ += size;
    room_ -= size;
    return to + sizeof prefix + record_pad(prefix.head_bytes);
  }
  // True when something was published since the last call: a sleeping reader is to be woken.
  bool publish() {
    if (published_ != tail_) store_tail();
    return std::exchange(to_announce_, false);
  }

 private:
  void store_tail() {
    published_ = tail_;
    to_announce_ = true;
    header_->tail.store(tail_, std::memory_order_seq_cst);
  }

  InboxHeader* header_ = nullptr;
  std::byte* ring_ = nullptr;
  std::size_t ring_bytes_ = 0;
  std::uint64_t tail_ = 0;
  std::uint64_t published_ = 0;
  std::size_t room_ = 0;
  bool to_announce_ = false;
};

class RingReader {
 public:
  RingReader() = default;
  RingReader(std::byte* inbox, std::size_t ring_bytes)
      : header_(reinterpret_cast<InboxHeader*>(inbox)), ring_(inbox + kInboxHeaderBytes), ring_bytes_(ring_bytes) {}

  // Looks how far the writer has come. False: it claims what cannot be.
  [[nodiscard]] bool refresh() {
    tail_ = header_->tail.load(std::memory_order_seq_cst);
    return tail_ - head_ <= ring_bytes_ && tail_ % kRecordAlign == 0;
  }
  // As of the last look.
  [[nodiscard]] std::size_t available() const { return static_cast<std::size_t>(tail_ - head_); }
  [[nodiscard]] std::size_t ring_bytes() const { return ring_bytes_; }
  // Whether the writer has moved since the last look.
  [[nodiscard]] bool moved() const { return header_->tail.load(std::memory_order_seq_cst) != tail_; }
  [[nodiscard]] const std::byte* front() const { return ring_ + (head_ & (ring_bytes_ - 1)); }

  // Done with so many bytes of what is available. True when room was given back to the writer.
  bool consume(std::size_t size_bytes) {
    head_ += size_bytes;
    if (head_ - freed_ < ring_bytes_ / 4) return false;
    freed_ = head_;
    header_->head.store(head_, std::memory_order_seq_cst);
    return true;
  }

 private:
  InboxHeader* header_ = nullptr;
  const std::byte* ring_ = nullptr;
  std::size_t ring_bytes_ = 0;
  std::uint64_t head_ = 0;
  std::uint64_t freed_ = 0;
  std::uint64_t tail_ = 0;
};

}  // namespace ross::fabric::shm
