#include "fabric/tcp/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

namespace ross::fabric::tcp {
namespace {

const sockaddr_in& v4(const Place& place) { return reinterpret_cast<const sockaddr_in&>(place.storage); }
const sockaddr_in6& v6(const Place& place) { return reinterpret_cast<const sockaddr_in6&>(place.storage); }

}  // namespace

Result<HostPort> parse(std::string_view address) {
  const auto bad = [&] {
    return fail(EINVAL, fmt::format("'{}' is no address: give HOST:PORT, and an IPv6 host as [HOST]:PORT", address));
  };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = address.substr(0, colon);
  const std::string_view digits = address.substr(colon + 1);
  const bool bracketed = host.front() == '[';
  if (bracketed) {
    if (host.back() != ']') return bad();
    host = host.substr(1, host.size() - 2);
  }
  // Brackets are for what has colons, and for nothing else.
  if (bracketed != (host.find(':') != std::string_view::npos)) return bad();
  if (host.find_first_of(std::string_view("[]\0", 3)) != std::string_view::npos) return bad();
  HostPort parsed{.host = std::string(host)};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed.port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return bad();
  return parsed;
}

std::optional<Place> numeric(const HostPort& address) {
  Place place;
  auto& four = reinterpret_cast<sockaddr_in&>(place.storage);
  if (::inet_pton(AF_INET, address.host.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(address.port);
    place.size = sizeof four;
    return place;
  }
  auto& six = reinterpret_cast<sockaddr_in6&>(place.storage);
  // A link-local address names its interface: fe80::1%eth0.
  const std::size_t percent = address.host.find('%');
  if (::inet_pton(AF_INET6, address.host.substr(0, percent).c_str(), &six.sin6_addr) != 1) return std::nullopt;
  if (percent != std::string::npos) {
    six.sin6_scope_id = ::if_nametoindex(address.host.c_str() + percent + 1);
    if (six.sin6_scope_id == 0) return std::nullopt;
  }
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(address.port);
  place.size = sizeof six;
  return place;
}

std::string to_text(const HostPort& address) {
  const bool six = address.host.find(':') != std::string::npos;
  return six ? fmt::format("[{}]:{}", address.host, address.port) : fmt::format("{}:{}", address.host, address.port);
}

std::string to_text(const Place& place) {
  char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1] = "?";
  if (place.storage.ss_family == AF_INET) ::inet_ntop(AF_INET, &v4(place).sin_addr, host, sizeof host);
  if (place.storage.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &v6(place).sin6_addr, host, sizeof host);
    char interface[IF_NAMESIZE];
    if (v6(place).sin6_scope_id != 0 && ::if_indextoname(v6(place).sin6_scope_id, interface) != nullptr) {
      std::strcat(std::strcat(host, "%"), interface);
    }
  }
  return to_text(HostPort{host, port_of(place)});
}

std::uint16_t port_of(const Place& place) {
  return ntohs(place.storage.ss_family == AF_INET ? v4(place).sin_port : v6(place).sin6_port);
}

bool is_wildcard(const Place& place) {
  if (place.storage.ss_family == AF_INET) return v4(place).sin_addr.s_addr == htonl(INADDR_ANY);
  return std::memcmp(&v6(place).sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
}

}  // namespace ross::fabric::tcp
