#include "base/random_bytes.h"

#include <sys/random.h>

#include <cerrno>

#include "base/status.h"

namespace ross {

void fill_random(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    ROSS_CHECK(got > 0 || errno == EINTR, "the kernel gives no random bytes");
    if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace ross
