#include <algorithm>
#include <cctype>
#include <string>

#include "attach/attach.h"
#include "fs/path.h"

namespace ross::attach {
namespace {

constexpr std::string_view kForm = "write local:POOL_DIRECTORY/CONTAINER, as in local:/srv/ross/pool0/datasets";
constexpr std::string_view kPoolForm = "write local:POOL_DIRECTORY, as in local:/srv/ross/pool0";

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

}  // namespace

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
    if (scheme == "ross" || scheme == "daos" || scheme == "ceph") {
      return fail(EPROTONOSUPPORT, std::string(scheme) + ": is not in this build, which knows local: only");
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
