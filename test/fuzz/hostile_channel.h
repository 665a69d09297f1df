// What a channel is given that hostile bytes arrive at: a receiver, memory between guards, a transfer that waits for an answer.
// Each checks what it sees. Threading: owner thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "fabric/channel.h"

namespace ross::fabric {

constexpr ChannelLimits kLimits{.head_bytes_max = 256, .payload_bytes_max = 4096};

struct Peerless final : Receiver {
  std::vector<std::byte> landing;
  bool closed = false;
  std::function<void()> meanwhile;  // what the user does as a message begins; may be empty
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    ROSS_CHECK(head.size() <= kLimits.head_bytes_max && payload_bytes <= kLimits.payload_bytes_max && !closed);
    landing.assign(payload_bytes, std::byte{0});
    if (meanwhile) meanwhile();
    return memory::Memory(landing);
  }
  Status on_message() override {
    ROSS_CHECK(!closed);
    return {};
  }
  void on_closed(const Status& why) override {
    ROSS_CHECK(!why.ok() && !closed);
    closed = true;
  }
};

// Memory between guards.
struct Guarded {
  static constexpr std::size_t kGuardBytes = 64;
  static constexpr std::size_t kBytes = 1000;
  std::vector<std::byte> bytes = std::vector<std::byte>(kBytes + 2 * kGuardBytes, std::byte{7});
  std::span<std::byte> span() { return std::span(bytes).subspan(kGuardBytes, kBytes); }
  [[nodiscard]] bool whole() const {
    for (std::size_t i = 0; i < kGuardBytes; ++i) {
      if (bytes[i] != std::byte{7} || bytes[bytes.size() - 1 - i] != std::byte{7}) return false;
    }
    return true;
  }
};

struct Asked : Transfer {
  int told = 0;
  Asked() {
    done = [](Transfer& self, int) { ++static_cast<Asked&>(self).told; };
  }
};

// Writes the key over every place in bytes that begins with its stand-in: no input can know it.
inline void put_key(std::span<std::byte> bytes, std::string_view stand_in, std::span<const std::byte> key) {
  const std::span wanted = std::as_bytes(std::span(stand_in));
  for (std::size_t i = 0; i + key.size() <= bytes.size(); ++i) {
    if (std::ranges::equal(bytes.subspan(i, wanted.size()), wanted)) std::ranges::copy(key, bytes.begin() + i);
  }
}

}  // namespace ross::fabric
