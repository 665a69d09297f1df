#include "server/control/loopback.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace ross::server::control {
namespace {

// The words of a line.
std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t begin = line.find_first_not_of(' ', at);
    if (begin == std::string_view::npos) break;
    at = std::min(line.find(' ', begin), line.size());
    found.push_back(line.substr(begin, at - begin));
  }
  return found;
}

// An IPv6 address in the table's form: its 32-bit parts as this machine reads them.
std::string in_tcp6(const in6_addr& ip, unsigned port) {
  std::string text;
  for (const std::uint32_t part : ip.s6_addr32) text += fmt::format("{:08X}", part);
  return text + fmt::format(":{:04X}", port);
}

// A numeric address. What is not all of it is none: the system reads up to the first zero.
template <class Ip>
bool read_ip(int family, std::string_view text, Ip& ip) {
  return !text.contains('\0') && ::inet_pton(family, std::string(text).c_str(), &ip) == 1;
}

}  // namespace

Result<bool> is_loopback(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos)
    return fail(EINVAL, fmt::format("'{}' has no port: write 127.0.0.1:7470", address));
  std::string_view host = address.substr(0, colon);
  in_addr ipv4{};
  if (read_ip(AF_INET, host, ipv4)) return (ntohl(ipv4.s_addr) >> 24) == 127;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  in6_addr ipv6{};
  if (read_ip(AF_INET6, host, ipv6)) return IN6_IS_ADDR_LOOPBACK(&ipv6) != 0;
  return fail(EINVAL, fmt::format("'{}' is no numeric address and port: write 127.0.0.1:7470 or [::1]:7470", address));
}

Result<TableAddress> loopback_address(std::string_view peer) {
  TableAddress address;
  const std::size_t colon = peer.rfind(':');
  unsigned port = 0;
  const auto bad = [&] { return fail(EACCES, fmt::format("{} is no address of this machine's loopback", peer)); };
  if (colon == std::string_view::npos) return bad();
  const std::string_view digits = peer.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port > 65535) return bad();
  std::string_view host = peer.substr(0, colon);
  if (host.starts_with("ipv4:")) {
    in_addr ip{};
    if (!read_ip(AF_INET, host.substr(5), ip)) return bad();
    if ((ntohl(ip.s_addr) >> 24) != 127) return bad();
    address.in_tcp = fmt::format("{:08X}:{:04X}", ip.s_addr, port);
    in6_addr mapped{};
    mapped.s6_addr16[5] = 0xffff;
    mapped.s6_addr32[3] = ip.s_addr;
    address.in_tcp6 = in_tcp6(mapped, port);
    return address;
  }
  for (const std::string_view prefix : {"ipv6:", "%5B", "["}) {
    if (host.starts_with(prefix)) host.remove_prefix(prefix.size());
  }
  for (const std::string_view suffix : {"%5D", "]"}) {
    if (host.ends_with(suffix)) host.remove_suffix(suffix.size());
  }
  in6_addr ip{};
  if (!read_ip(AF_INET6, host, ip) || !IN6_IS_ADDR_LOOPBACK(&ip)) return bad();
  address.in_tcp6 = in_tcp6(ip, port);
  return address;
}

Result<uid_t> socket_owner(std::string_view table, std::string_view address) {
  constexpr std::string_view kEstablished = "01";
  for (std::size_t at = 0; at < table.size();) {
    const std::size_t end = std::min(table.find('\n', at), table.size());
    const std::vector<std::string_view> row = words(table.substr(at, end - at));
    at = end + 1;
    if (row.size() < 8 || row[1] != address || row[3] != kEstablished) continue;
    uid_t uid = 0;
    const std::string_view digits = row[7];
    const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), uid);
    if (error != std::errc() || last != digits.data() + digits.size()) continue;
    return uid;
  }
  return fail(ENOENT);
}

}  // namespace ross::server::control
