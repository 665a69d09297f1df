#include "apps/ross/present/text.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>

namespace ross::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::tm local(std::int64_t time_ns, std::int64_t& nanoseconds) {
  nanoseconds = time_ns % kSecond;
  if (nanoseconds < 0) nanoseconds += kSecond;  // before 1970
  const std::time_t seconds = (time_ns - nanoseconds) / kSecond;
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

std::string format_mode(std::uint32_t mode) {
  std::string text(10, '-');
  switch (mode & S_IFMT) {
    case S_IFDIR:
      text[0] = 'd';
      break;
    case S_IFLNK:
      text[0] = 'l';
      break;
    case S_IFIFO:
      text[0] = 'p';
      break;
    case S_IFSOCK:
      text[0] = 's';
      break;
    case S_IFBLK:
      text[0] = 'b';
      break;
    case S_IFCHR:
      text[0] = 'c';
      break;
    default:
      break;
  }
  for (unsigned bit = 0; bit < 9; ++bit) {
    if ((mode & (0400U >> bit)) != 0) text[bit + 1] = "rwx"[bit % 3];
  }
  if ((mode & S_ISUID) != 0) text[3] = (mode & S_IXUSR) != 0 ? 's' : 'S';
  if ((mode & S_ISGID) != 0) text[6] = (mode & S_IXGRP) != 0 ? 's' : 'S';
  if ((mode & S_ISVTX) != 0) text[9] = (mode & S_IXOTH) != 0 ? 't' : 'T';
  return text;
}

std::string_view type_word(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "link";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFBLK:
      return "block";
    case S_IFCHR:
      return "char";
    default:
      return "file";
  }
}

std::string format_time(std::int64_t time_ns) {
  std::int64_t nanoseconds = 0;
  const std::tm t = local(time_ns, nanoseconds);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min);
}

std::string format_time_full(std::int64_t time_ns) {
  std::int64_t nanoseconds = 0;
  const std::tm t = local(time_ns, nanoseconds);
  const long offset = t.tm_gmtoff;
  const long minutes = (offset < 0 ? -offset : offset) / 60;
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:09} {}{:02}{:02}", t.tm_year + 1900, t.tm_mon + 1,
                     t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, nanoseconds, offset < 0 ? '-' : '+', minutes / 60,
                     minutes % 60);
}

std::string format_duration(double seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds + 0.5);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string escape_name(std::string_view name) {
  std::string text;
  text.reserve(name.size());
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      text += "\\\\";
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text;
}

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return 1;
  const std::size_t more = lead >= 0xc2 && lead < 0xe0   ? 1
                           : lead >= 0xe0 && lead < 0xf0 ? 2
                           : lead >= 0xf0 && lead < 0xf5 ? 3
                                                         : 0;
  if (more == 0 || more >= text.size()) return 0;
  std::uint32_t code = lead & (0x3fU >> more);
  for (std::size_t i = 1; i <= more; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte & 0x3fU);
  }
  // Overlong forms, surrogates and what lies past Unicode are none.
  if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) || code > 0x10ffff) return 0;
  return code >= 0xd800 && code < 0xe000 ? 0 : more + 1;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

}  // namespace ross::cli
