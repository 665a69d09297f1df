// Transfers: the puts and gets that this side began, from put() and get() until done().
//
// What is in reach is copied here, by this processor, in bounded pieces of which a pass does no more than kPassBytes; small
// pieces that the kernel has to copy share a system call. What is out of reach goes through the ring: a put as
// records with pieces of its data, which the peer confirms; a get as a request, which the peer answers with pieces. Requests
// are answered in order, so nothing has to be matched.
//
// Puts land in the order they were begun: landed() counts those whose data is in its window or in the ring, and a message
// that waits for all puts before it compares.
//
// Ownership: borrows transfers until they are told. Threading: owner thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/status.h"
#include "base/units.h"
#include "fabric/channel.h"
#include "fabric/shm/peer_memory.h"
#include "fabric/shm/ring.h"

namespace ross::fabric::shm {

// A queue through the next of its elements.
template <class T>
class Fifo {
 public:
  Fifo() = default;
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] T& front() const { return *first_; }
  void push(T& element) {
    element.next = nullptr;
    *last_ = &element;
    last_ = &element.next;
  }
  T& pop() {
    T& element = *first_;
    first_ = element.next;
    if (first_ == nullptr) last_ = &first_;
    return element;
  }

 private:
  T* first_ = nullptr;
  T** last_ = &first_;
};

// How far a look at a queue came; of several the greatest counts.
enum class Progress : std::uint8_t {
  kDone,     // nothing is left to do
  kReplies,  // waits for the peer's answers
  kNoRoom,   // waits for the peer to take from the ring
  kMore,     // the pass has done enough
};

class Transfers {
 public:
  static constexpr std::size_t kPieceBytes = 256 * kKiB;  // between two looks at whether the window is still open
  static constexpr std::size_t kPassBytes = 512 * kKiB;
  static constexpr std::size_t kRepliesMax = 64;  // transfers through the ring that wait for the peer

  // look_at_socket takes what the peer passed there.
  Transfers(PeerMemory& peer, RingWriter& ring, std::function<void()> look_at_socket)
      : peer_(peer), ring_(ring), look_at_socket_(std::move(look_at_socket)) {}

  void put(Transfer& transfer) {
    transfer.words[0] = 0;  // bytes done
    transfer.words[1] = 0;  // for a get through the ring: asked for
    puts_.push(transfer);
    ++begun_;
  }
  void get(Transfer& transfer) {
    transfer.words[0] = transfer.words[1] = 0;
    gets_.push(transfer);
  }
  [[nodiscard]] std::uint32_t begun() const { return begun_; }
  // Whether the first so many puts have landed.
  [[nodiscard]] bool landed(std::uint32_t count) const { return static_cast<std::int32_t>(landed_ - count) >= 0; }
  [[nodiscard]] bool idle() const { return puts_.empty() && gets_.empty(); }

  // One pass over both queues. Errors end the channel.
  Result<Progress> run();
  // Tells what run() or the peer's answers finished. Returns how many.
  std::size_t tell();

  // The peer's answers.
  Status on_data(std::span<const std::byte> chunk);
  Status on_placed();

  // Tells everything that is left.
  void fail_all(int error);

 private:
  struct Batch;
  Result<Progress> run(Fifo<Transfer>& queue, Access access, std::size_t& budget);
  Result<PeerMemory::Piece> locate(const Transfer& transfer, std::size_t mark, Access access);
  Status copy_batch(Fifo<Transfer>& queue, Access access, PeerMemory::Piece piece, std::size_t& budget);
  Result<Progress> push_put(Transfer& transfer);
  Result<Progress> push_get(Transfer& transfer);
  void finish(Fifo<Transfer>& queue, bool awaits_reply);

  PeerMemory& peer_;
  RingWriter& ring_;
  const std::function<void()> look_at_socket_;
  Fifo<Transfer> puts_;
  Fifo<Transfer> gets_;
  Fifo<Transfer> replies_;  // through the ring; words[1] tells a get by kIsGet
  Fifo<Transfer> done_;     // not told yet
  std::size_t replies_count_ = 0;
  std::uint32_t begun_ = 0;
  std::uint32_t landed_ = 0;
};

}  // namespace ross::fabric::shm
