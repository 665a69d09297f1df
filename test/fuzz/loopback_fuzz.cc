// Goal: no text makes the reader of loopback addresses or of the kernel's table of sockets crash, or take for this machine's own what is
// not. Method: each input as the address of a server, as the name of a peer, and as the table in which a socket is looked for.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/control/loopback.h"

namespace {

using namespace ross::server::control;

// As the kernel writes an address of so many hexadecimal digits, and a port.
bool in_the_tables_form(std::string_view text, std::size_t digits) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == digits + 5 && text[digits] == ':' && std::ranges::all_of(text.substr(0, digits), is_digit) &&
         std::ranges::all_of(text.substr(digits + 1), is_digit);
}

void check_peer(std::string_view peer) {
  const auto address = loopback_address(peer);
  if (!address.has_value()) {
    ROSS_CHECK(!address.error().message().empty());
    return;
  }
  ROSS_CHECK(peer.find('\0') == std::string_view::npos);
  ROSS_CHECK(in_the_tables_form(address->in_tcp6, 32));
  // 127.x.y.z, whose first byte is the last that the table writes of a number.
  ROSS_CHECK(address->in_tcp.empty() ||
             (in_the_tables_form(address->in_tcp, 8) && address->in_tcp.substr(6, 2) == "7F"));
}

void check_server(std::string_view text) {
  const auto loopback = is_loopback(text);
  ROSS_CHECK(loopback.has_value() || !loopback.error().message().empty());
  if (!loopback.has_value() || !*loopback) return;
  const std::string_view host = text.substr(0, text.rfind(':'));
  ROSS_CHECK(host.find('\0') == std::string_view::npos);
  ROSS_CHECK(host.starts_with("127.") || host.find("::") != std::string_view::npos ||
             host.find("0:") != std::string_view::npos);
}

void check_table(std::string_view table) {
  constexpr std::string_view kAddress = "0100007F:C350";
  const auto owner = socket_owner(table, kAddress);
  ROSS_CHECK(!owner.has_value() || table.find(kAddress) != std::string_view::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  check_peer(input);
  check_server(input);
  check_table(input);
  return 0;
}
