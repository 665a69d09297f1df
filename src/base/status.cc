#include "base/status.h"

#include <cstring>

namespace ross {

std::string Status::message() const {
  if (message_) return *message_;
  if (error_ == 0) return "ok";
  char text[128];
  return strerror_r(error_, text, sizeof text);  // the GNU variant returns the text
}

Status Status::with_context(std::string_view context) const {
  if (ok()) return *this;
  return Status(error_, std::string(context) + ": " + message(), retry_);
}

namespace internal {
void check_failed(const char* file, int line, const char* what, std::string_view detail) {
  std::fprintf(stderr, "ross: bug at %s:%d: %s %.*s\n", file, line, what, static_cast<int>(detail.size()),
               detail.data());
  std::abort();
}
}  // namespace internal
}  // namespace ross
