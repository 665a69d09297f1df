#include "base/read_file.h"

#include <fcntl.h>
#include <unistd.h>

namespace ross {

Result<std::string> read_file(const std::string& path) {
  const auto failed = [&path](int error) { return fail(error, path + ": " + Status(error).message()); };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(errno);
  std::string text;
  int error = 0;
  for (;;) {
    // The kernel's tables tell no size, so it is read to its end.
    constexpr std::size_t kStepBytes = 64 << 10;
    const std::size_t before = text.size();
    text.resize(before + kStepBytes);
    const ssize_t got = ::read(fd, text.data() + before, kStepBytes);
    if (got < 0 && errno != EINTR) error = errno;
    text.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
    if (text.size() > kReadFileBytesMax) error = EFBIG;
    if (error != 0 || got == 0) break;
  }
  ::close(fd);
  if (error != 0) return failed(error);
  return text;
}

}  // namespace ross
