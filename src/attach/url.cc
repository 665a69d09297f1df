#include <algorithm>
#include <cctype>
#include <charconv>
#include <string>

#include "attach/attach.h"
#include "fs/path.h"

namespace ross::attach {
namespace {

constexpr std::string_view kForm = "write local:POOL_DIRECTORY/CONTAINER, as in local:/srv/ross/pool0/datasets";
constexpr std::string_view kPoolForm = "write local:POOL_DIRECTORY, as in local:/srv/ross/pool0";
constexpr std::string_view kRemoteForm =
    "write ross://HOST:PORT/POOL/CONTAINER, as in ross://127.0.0.1:7470/pool0/datasets";
constexpr std::string_view kRemotePoolForm = "write ross://HOST:PORT/POOL, as in ross://127.0.0.1:7470/pool0";

// The part before the first ':' if it can be a scheme: letters, digits, '+', '-' and '.', a letter first, and no '/'
// before the ':'. So ./a:b and /srv/a:b are paths.
std::string_view scheme_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  const std::string_view scheme = text.substr(0, colon);
  if (std::isalpha(static_cast<unsigned char>(scheme.front())) == 0) return {};
  const bool plain = std::ranges::all_of(
      scheme, [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.'; });
  return plain ? scheme : std::string_view{};
}

std::unexpected<Status> bad(std::string_view what, std::string_view form) {
  return fail(EINVAL, std::string(what) + ": " + std::string(form));
}

// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT to HOST:PORT; empty when it is none.
std::string server_of(std::string_view authority) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (authority.empty() || bracket == std::string_view::npos || bracket == 1) return {};
  const std::size_t colon = authority.find(':', bracket);
  const std::string_view host = authority.substr(0, colon);
  const bool plain = std::ranges::all_of(host, [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view(".-_[]:").find(char(c)) != std::string_view::npos;
  });
  if (host.empty() || !plain || (bracket > 0 && host.back() != ']')) return {};
  if (colon == std::string_view::npos) return std::string(host) + ":" + std::to_string(kPort);
  const std::string_view digits = authority.substr(colon + 1);
  unsigned port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0 || port > 65535) return {};
  return std::string(authority);
}

// What stands behind "ross:" or "ross+FABRIC:".
Result<Url> parse_remote(std::string_view scheme, std::string_view rest, bool want_container) {
  const std::string_view form = want_container ? kRemoteForm : kRemotePoolForm;
  Url url;
  url.scheme = "ross";
  if (scheme.size() > 4) url.fabric = scheme.substr(5);
  if (scheme.size() == 5) return bad("ross+ names no fabric behind it", form);
  if (!rest.starts_with("//")) return bad("the URL names no host", form);
  rest.remove_prefix(2);
  const std::size_t slash = rest.find('/');
  url.server = server_of(rest.substr(0, slash));
  if (url.server.empty()) return bad("the URL's host and port are none", form);
  std::string_view path = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t between = path.find('/');
  url.pool = path.substr(0, between);
  if (url.pool.empty()) return bad("the URL names no pool", form);
  if (between != std::string_view::npos) url.container = path.substr(between + 1);
  if (url.container.empty() == want_container) {
    return bad(want_container ? "the URL names no container" : "the URL names more than a pool", form);
  }
  if (url.container.find('/') != std::string::npos || url.container == "." || url.container == "..") {
    return bad("the URL does not end in a container's name", form);
  }
  if (url.container.size() > fs::kNameBytesMax || url.pool.size() > fs::kNameBytesMax) {
    return fail(ENAMETOOLONG, "the name of the pool or the container is longer than 255 bytes");
  }
  return url;
}

}  // namespace

std::string Url::pool_place() const {
  if (scheme == "local") return pool;
  return (fabric.empty() ? "ross://" : "ross+" + fabric + "://") + server + "/" + pool;
}

Result<Url> parse_url(std::string_view text, bool want_container) {
  const std::string_view form = want_container ? kForm : kPoolForm;
  if (text.empty()) return bad("the URL is empty", form);
  if (text.size() > fs::kPathBytesMax) return fail(ENAMETOOLONG, "the URL is longer than 4096 bytes");
  // A control character comes from a mistake or an attack, and would let an error line say what it likes.
  if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return bad("the URL has a control character in it", form);
  }
  Url url;
  url.scheme = "local";
  std::string_view path = text;
  if (const std::string_view scheme = scheme_of(text); !scheme.empty()) {
    if (scheme == "ross" || scheme.starts_with("ross+")) {
      return parse_remote(scheme, text.substr(scheme.size() + 1), want_container);
    }
    if (scheme == "daos" || scheme == "ceph") {
      return fail(EPROTONOSUPPORT, std::string(scheme) + ": is not in this build, which knows local: and ross:");
    }
    if (scheme != "local") return bad("no scheme '" + std::string(scheme) + ":' is known", form);
    path.remove_prefix(scheme.size() + 1);
    if (path.starts_with("//")) return bad("local: takes a path of this machine and no host", form);
  }
  if (path.empty()) return bad("the URL names no pool", form);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (!want_container) {
    url.pool = path;
    return url;
  }
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos || path == "/") return bad("the URL names no pool and container", form);
  url.container = path.substr(slash + 1);
  if (url.container == "." || url.container == "..") return bad("the URL ends in no container's name", form);
  if (url.container.size() > fs::kNameBytesMax) {
    return fail(ENAMETOOLONG, "the container's name is longer than 255 bytes");
  }
  path = path.substr(0, slash);
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  url.pool = path.empty() ? std::string_view("/") : path;
  return url;
}

}  // namespace ross::attach
