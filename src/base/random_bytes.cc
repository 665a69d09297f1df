#include "base/random_bytes.h"

#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "base/status.h"

namespace ross {

void fill_random(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    ROSS_CHECK(got > 0 || errno == EINTR, "the kernel gives no random bytes");
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

void RandomReserve::fill(std::span<std::byte> bytes) {
  if (bytes.size() > kBytes - taken_) {
    fill_random(bytes_);
    taken_ = 0;
  }
  std::memcpy(bytes.data(), bytes_.data() + taken_, bytes.size());
  std::memset(bytes_.data() + taken_, 0, bytes.size());
  taken_ += bytes.size();
}

}  // namespace ross
