#include "apps/ross/present/output.h"

#include <unistd.h>

#include "apps/ross/present/text.h"

namespace ross::cli {

void put_name(Json& object, const std::string& key, std::string_view name) {
  object[key] = std::string(name);
  if (!is_utf8(name)) object[key + "_hex"] = to_hex(name);
}

Output::Output(int fd, bool json) : fd_(fd), terminal_(::isatty(fd) == 1), json_(json) {}
Output::~Output() { static_cast<void>(flush()); }

std::string Output::name(std::string_view bytes) const { return terminal_ ? escape_name(bytes) : std::string(bytes); }

void Output::begin_list() {
  first_ = true;
  if (json_) bytes("[");
}

void Output::item(const Json& json, std::string_view text) {
  if (!json_) return bytes(text);
  bytes(first_ ? "\n" : ",\n");
  first_ = false;
  bytes(json.dump(0));
}

void Output::end_list() {
  if (json_) bytes(first_ ? "]\n" : "\n]\n");
}

void Output::object(const Json& json, std::string_view text) {
  if (!json_) return bytes(text);
  bytes(json.dump(2));
  bytes("\n");
}

void Output::text(std::string_view text) {
  if (!json_) bytes(text);
}

void Output::bytes(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes || (terminal_ && bytes.ends_with('\n'))) static_cast<void>(flush());
}

Status Output::flush() {
  std::size_t at = 0;
  while (error_ == 0 && at < buffer_.size()) {
    const ssize_t written = ::write(fd_, buffer_.data() + at, buffer_.size() - at);
    if (written >= 0) {
      at += static_cast<std::size_t>(written);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  buffer_.clear();
  return Status(error_);
}

}  // namespace ross::cli
