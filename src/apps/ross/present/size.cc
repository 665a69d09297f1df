#include "apps/ross/present/size.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <cmath>

namespace ross::cli {
namespace {

constexpr std::string_view kUnits = "KMGTPE";

std::unexpected<Status> bad(std::string_view text) {
  return fail(EINVAL, fmt::format("'{}' is no size: write a number and a unit, as in 4096, 64K, 1.5TiB", text));
}

// What one of the unit is in bytes, or 0.
std::uint64_t unit_bytes(std::string_view unit) {
  if (unit.empty() || unit == "B") return 1;
  const std::size_t power = kUnits.find(unit.front());
  if (power == std::string_view::npos) return 0;
  const std::string_view rest = unit.substr(1);
  if (!rest.empty() && rest != "IB" && rest != "B") return 0;
  std::uint64_t bytes = 1;
  for (std::size_t i = 0; i <= power; ++i) bytes *= rest == "B" ? 1000 : 1024;
  return bytes;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  // Digits are gathered as an integer and a count of decimals, so that whole numbers stay exact up to 2^64 - 1.
  unsigned __int128 digits = 0;
  unsigned __int128 divisor = 1;
  bool point = false;
  bool any = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    if (at >= 32) return bad(text);
    any = true;
    if (point && divisor >= 1'000'000'000'000) continue;  // digits that change no byte
    digits = digits * 10 + static_cast<unsigned>(c - '0');
    if (digits > (static_cast<unsigned __int128>(1) << 80)) return fail(ERANGE, fmt::format("'{}' is too large", text));
    if (point) divisor *= 10;
  }
  if (!any) return bad(text);
  while (at < text.size() && text[at] == ' ') ++at;
  std::string unit;
  for (const char c : text.substr(at)) unit += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const std::uint64_t bytes = unit_bytes(unit);
  if (bytes == 0 || (bytes == 1 && point)) return bad(text);
  // The quotient first and the remainder after it keep the products below 2^128.
  const unsigned __int128 whole = digits / divisor;
  if (whole > UINT64_MAX) return fail(ERANGE, fmt::format("'{}' is too large", text));
  const unsigned __int128 value = whole * bytes + digits % divisor * bytes / divisor;
  if (value > UINT64_MAX) return fail(ERANGE, fmt::format("'{}' is too large", text));
  return static_cast<std::uint64_t>(value);
}

std::string format_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t power = 0;
  // 1023.5 would print as 1024 with three digits, so it goes up a unit.
  while (value >= 1023.5 && power < kUnits.size()) {
    value /= 1024;
    ++power;
  }
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}iB", value, decimals, kUnits[power - 1]);
}

std::string format_count(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

}  // namespace ross::cli
