// Pair: what the two ends of a channel between processes of one machine share beside the provider: whose turn it is, what is
// left for the other to look at, and a socket that wakes and that breaks when a process ends.
//
// Why. libfabric's shm keeps each endpoint's queues in memory that every peer writes to, under a spinlock that lies in that memory,
// too, and is held while whole transfers are copied. A process that is killed inside leaves the lock shut, and whoever comes next
// waits in the library for ever. Neither the endpoint's mapping (which a peer of the same process uses as it is, until the owner
// unmaps it) nor the peer's number in it (which stays when a peer goes, and then names the next) is safe to use once the other
// end is gone. So both ends agree outside of the library: a provider's endpoint serves one channel, and whoever calls the library
// for it has the turn. Then the lock is never found shut, nothing is unmapped under anybody, and one that dies inside has
// the turn for good, which harms this channel alone.
//
// A turn is tried for, never waited for: who does not get it comes again. It is not given back by the dead; that somebody is dead
// the socket says, by the kernel's word and after the last thread of that process has left the kernel.
//
//   const Turn turn(pair);                  // pair may be null: other providers need none, and it is always theirs
//   if (turn) fi_send(...);
//
// Sleeping: who leaves something for the other end says so in the page, and rings where the other sleeps.
// Ending: close() is a promise to take no turn any more. quiet() is true once the other end has none, and will not get one.
// Ownership: owns the socket and the page. Threading: owner thread.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "fabric/channel.h"
#include "fabric/local/socket.h"
#include "fabric/shm/shared_memory.h"

namespace ross::fabric::ofi {

// The memory that both map. Zeros at first.
struct PairPage {
  // 0: nobody's. Else 1 + the number of the end that has it.
  alignas(64) std::atomic<std::uint32_t> turn;
  struct alignas(64) End {
    std::atomic<std::uint32_t> work;    // something was left for this end to look at
    std::atomic<std::uint32_t> awaits;  // operations of this end are not complete: the other's passes complete them
    std::atomic<std::uint32_t> asleep;
    std::atomic<std::uint32_t> closed;  // takes no turn any more
    std::atomic<std::uint32_t> heard;   // has taken the other end's last word, or does not want to hear it
  } ends[2];

  static constexpr std::size_t kBytes = 4096;
};
static_assert(sizeof(PairPage) <= PairPage::kBytes && std::atomic<std::uint32_t>::is_always_lock_free);

class Pair {
 public:
  struct Parts {
    unsigned end = 0;  // 0: who connected
    Socket socket;     // does not block
    shm::SharedMemory page;
    Peer peer;
    std::string own_name;  // of the provider's endpoints
    std::string peer_name;
  };
  explicit Pair(Parts parts) : parts_(std::move(parts)) {}
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  [[nodiscard]] int fd() const { return parts_.socket.fd(); }
  [[nodiscard]] const Peer& peer() const { return parts_.peer; }
  [[nodiscard]] const std::string& own_name() const { return parts_.own_name; }
  [[nodiscard]] const std::string& peer_name() const { return parts_.peer_name; }

  // Begins a turn, or a part of the one that is ours. False: not now; or never, when over().
  bool enter();
  // The same for a moment longer than the other end's turns last.
  bool enter_soon(std::int64_t patience_ns);
  void leave();
  // In a turn: the other end has something to look at.
  void did() { did_ = true; }
  // In a turn: whether operations of ours wait for the other end.
  void await(bool awaits) { own().awaits.store(awaits ? 1 : 0, std::memory_order_relaxed); }
  [[nodiscard]] bool other_awaits() const { return other().awaits.load(std::memory_order_relaxed) != 0; }

  [[nodiscard]] bool has_work() const { return own().work.load(std::memory_order_relaxed) != 0; }
  // In a turn.
  void take_work() { own().work.store(0, std::memory_order_relaxed); }
  // False: there is work. Else the other end rings from now on.
  bool fall_asleep();
  void wake_up() { own().asleep.store(0, std::memory_order_relaxed); }
  // Takes in what the socket says: that it rang, that the other end is gone.
  void look();

  // Takes no turn any more, and lets the other end know.
  void close();
  // We take no turn any more: this end is closed, the other is, or its process is gone.
  [[nodiscard]] bool over() const { return closed_ || other_closed_ || gone_; }
  [[nodiscard]] bool gone() const { return gone_; }
  // Whether the other end is out and stays out, where over().
  bool quiet();
  void say_heard() { own().heard.store(1, std::memory_order_relaxed); }
  // Nothing that we said is waited for any more.
  [[nodiscard]] bool was_heard() const {
    return other().heard.load(std::memory_order_relaxed) != 0 || other().closed.load(std::memory_order_relaxed) != 0;
  }

 private:
  [[nodiscard]] PairPage& page() const { return *reinterpret_cast<PairPage*>(parts_.page.data()); }
  [[nodiscard]] PairPage::End& own() const { return page().ends[parts_.end]; }
  [[nodiscard]] PairPage::End& other() const { return page().ends[1 - parts_.end]; }
  bool take_turn();
  void ring() const;

  const Parts parts_;
  unsigned depth_ = 0;  // of enter() without leave()
  bool did_ = false;
  bool closed_ = false;
  bool other_closed_ = false;
  bool gone_ = false;
  bool quiet_ = false;
};

// For as long as it lives.
class Turn {
 public:
  explicit Turn(Pair* pair) : pair_(pair), ours_(pair == nullptr || pair->enter()) {}
  Turn(Pair* pair, std::int64_t patience_ns) : pair_(pair), ours_(pair == nullptr || pair->enter_soon(patience_ns)) {}
  ~Turn() {
    if (pair_ != nullptr && ours_) pair_->leave();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  explicit operator bool() const { return ours_; }

 private:
  Pair* const pair_;
  const bool ours_;
};

}  // namespace ross::fabric::ofi
