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

// An input of which the first byte says how a run is set up, and the rest are its steps: make(byte) makes the run, which takes them and
// comes to its end.
template <class Make>
int play(const std::uint8_t* data, std::size_t size, Make&& make) {
  const std::size_t setting_bytes = std::min<std::size_t>(size, 1);
  auto run = make(setting_bytes > 0 ? data[0] : std::uint8_t{0});
  Steps steps({reinterpret_cast<const std::byte*>(data) + setting_bytes, size - setting_bytes});
  while (const auto step = steps.next()) run.take(*step);
  run.end();
  return 0;
}

}  // namespace ross::fabric
