// Modes, times, durations and names as text. Threading: any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ross::cli {

// "drwxr-sr-x", as ls prints it.
std::string format_mode(std::uint32_t mode);
// The word for a mode's type: "file", "directory", "link", "fifo", "socket", "block", "char".
std::string_view type_word(std::uint32_t mode);
// Local time, "2026-11-23 14:44".
std::string format_time(std::int64_t time_ns);
// Local time in full, "2026-11-23 14:44:12.123456789 +0000".
std::string format_time_full(std::int64_t time_ns);
// "0.35 s", "12.3 s", "2:05", "1:02:05".
std::string format_duration(double seconds);
// A name that cannot disturb a terminal or break a line: control characters and backslashes as \n, \t, \x1b ...
std::string escape_name(std::string_view name);
// The bytes of the character the text begins with, or 0 if it begins with none in UTF-8.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
std::string to_hex(std::string_view bytes);

}  // namespace ross::cli
