#include "server/control/identity.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <grp.h>
#include <grpcpp/grpcpp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>

#include "base/read_file.h"
#include "server/credentials.h"

namespace ross::server::control {
namespace {

constexpr gid_t kNobody = 65534;

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

// The groups that the machine's user database gives a user.
fabric::Peer local_user(uid_t uid) {
  fabric::Peer peer{.pid = 0, .uid = uid, .gid = uid == 0 ? 0 : kNobody, .groups = {}};
  std::vector<char> room(16384);
  struct passwd entry {};
  struct passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, room.data(), room.size(), &found) != 0 || found == nullptr) return peer;
  peer.gid = found->pw_gid;
  int count = 256;
  peer.groups.resize(static_cast<std::size_t>(count));
  if (::getgrouplist(found->pw_name, found->pw_gid, peer.groups.data(), &count) < 0) count = 256;
  peer.groups.resize(static_cast<std::size_t>(count));
  return peer;
}

Result<uid_t> owner_in(const char* path, const std::string& address) {
  if (address.empty()) return fail(ENOENT);
  ROSS_TRY(const std::string table, read_file(path));
  return socket_owner(table, address);
}

// An IPv6 address in the table's form: its 32-bit parts as this machine reads them.
std::string in_tcp6(const in6_addr& ip, unsigned port) {
  std::string text;
  for (const std::uint32_t part : ip.s6_addr32) text += fmt::format("{:08X}", part);
  return text + fmt::format(":{:04X}", port);
}

}  // namespace

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
    if (::inet_pton(AF_INET, std::string(host.substr(5)).c_str(), &ip) != 1) return bad();
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
  if (::inet_pton(AF_INET6, std::string(host).c_str(), &ip) != 1 || !IN6_IS_ADDR_LOOPBACK(&ip)) return bad();
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

Result<fabric::Peer> identify(const grpc::ServerContext& context) {
  const auto auth = context.auth_context();
  if (auth != nullptr && auth->IsPeerAuthenticated()) return fabric::Peer{};  // a machine, believed in what it says
  ROSS_TRY(const TableAddress address, loopback_address(context.peer()));
  Result<uid_t> uid = owner_in("/proc/net/tcp", address.in_tcp);
  if (!uid.has_value()) uid = owner_in("/proc/net/tcp6", address.in_tcp6);
  if (!uid.has_value()) return fail(EACCES, "the kernel does not know whose connection this is");
  return local_user(*uid);
}

Result<fs::Credential> credential_for(const fabric::Peer& caller, uid_t uid, gid_t gid,
                                      std::vector<std::uint32_t> groups) {
  if (groups.size() > kGroupsMax) return fail(EINVAL, "more than 1024 groups");
  if (Status status = may_act_for(caller, uid, gid, groups); !status.ok()) return fail(std::move(status));
  return fs::Credential{.uid = uid, .gid = gid, .groups = std::move(groups)};
}

}  // namespace ross::server::control
