// Greeting: what two sides tell each other over a new socket before there is a channel.
//
// Each sends one Hello with the descriptor of its inbox at once, and waits for the other's. A side lets the other reach its
// windows directly, by the descriptor of its table, where both run as the same user by the kernel's word.
//
// Ownership: owns what was passed until take(). Threading: owner thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "base/status.h"
#include "fabric/shm/layout.h"
#include "fabric/shm/shared_memory.h"

namespace ross::fabric::shm {

// What a channel is made of.
struct Link {
  Socket socket;
  Peer peer;
  SharedMemory inbox;   // ours
  SharedMemory outbox;  // the peer's inbox
  SharedMemory table;   // of the peer's windows; none: they are reached through the ring
  Hello theirs{};
  std::uint64_t number = 0;     // ours of this link
  std::size_t ring_bytes = 0;   // of the inbox
  bool shares_windows = false;  // the peer maps our table
};

class Greeting {
 public:
  struct Options {
    std::size_t ring_bytes = 0;
    bool direct = true;
    int table_fd = -1;
    std::uint64_t number = 0;
    const std::array<std::byte, 16>* probe = nullptr;
  };
  // Sends our part. The socket is connected and does not block.
  static Result<std::unique_ptr<Greeting>> begin(Socket socket, const Options& options);

  [[nodiscard]] int fd() const { return link_.socket.fd(); }
  // Takes what has come. True when the peer's part is whole; EPROTO when it is not one.
  Result<bool> advance();
  [[nodiscard]] Link take() { return std::move(link_); }

 private:
  Greeting() = default;
  Status check();

  Link link_;
  bool direct_ = false;
  std::array<std::byte, sizeof(Hello)> bytes_{};
  std::size_t got_ = 0;
  std::vector<Descriptor> descriptors_;
};

}  // namespace ross::fabric::shm
