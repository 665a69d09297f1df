// An input that is a list of steps, one behind the other: what is done, how many bytes it is done with, the bytes. A length that says
// more than there is means the rest. Threading: immutable.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace ross::fabric {

struct Step {
  std::uint8_t doing = 0;
  std::span<const std::byte> bytes;
};

class Steps {
 public:
  static constexpr std::size_t kHeadBytes = 3;
  explicit Steps(std::span<const std::byte> input) : left_(input) {}
  std::optional<Step> next() {
    if (left_.size() < kHeadBytes) return std::nullopt;
    std::uint16_t length = 0;
    std::memcpy(&length, left_.data() + 1, sizeof length);
    const auto doing = static_cast<std::uint8_t>(left_[0]);
    left_ = left_.subspan(kHeadBytes);
    const auto bytes = left_.first(std::min<std::size_t>(length, left_.size()));
    left_ = left_.subspan(bytes.size());
    return Step{doing, bytes};
  }

 private:
  std::span<const std::byte> left_;
};

}  // namespace ross::fabric
