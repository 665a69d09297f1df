#include "apps/ross/location.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "attach/attach.h"
#include "fs/path.h"

namespace ross::cli {
namespace {

// Whether a directory holds a pool, or the error that keeps one from knowing.
Result<bool> is_pool(const std::string& directory) {
  struct stat found {};
  if (::stat(join(directory, kPoolFile).c_str(), &found) == 0) return true;
  if (errno == EACCES || errno == EIO || errno == ELOOP) return fail(errno);
  return false;
}

// The length of the longest beginning of path, ending at a component, that is a pool's directory.
Result<std::size_t> pool_length(const std::string& path) {
  std::optional<Status> unseen;
  for (std::size_t end = path.size(); end > 0;) {
    if (path[end - 1] == '/' && end > 1) {
      --end;
      continue;
    }
    const std::string directory = path.substr(0, end);
    const Result<bool> pool = is_pool(directory);
    if (!pool.has_value()) {
      const int error = pool.error().error();
      const std::string what =
          error == EACCES ? "permission denied: run as its owner, or as root" : pool.error().message();
      unseen = Status(error, fmt::format("cannot look into {}: {}", directory, what));
    } else if (*pool) {
      return end;
    }
    const std::size_t slash = path.rfind('/', end - 1);
    if (slash == std::string::npos) break;
    end = slash > 0 ? slash : (end > 1 ? 1 : 0);
  }
  if (unseen) return fail(*unseen);
  return fail(ENOENT, "there is no pool on this path: make one with 'ross pool create DIRECTORY --size 64G'");
}

Result<Location> parse_store(std::string_view path, std::string_view text) {
  if (path.empty()) return fail(EINVAL, "names nothing: write local:POOL_DIRECTORY/CONTAINER/PATH");
  if (path.starts_with("//")) {
    return fail(EINVAL, "local: takes a path of this machine and no host: write local:/POOL_DIRECTORY/CONTAINER/PATH");
  }
  if (path.find('\0') != std::string_view::npos) return fail(EINVAL, "a path has no NUL in it: remove it");
  if (path.size() > 2 * fs::kPathBytesMax) return fail(ENAMETOOLONG);
  Location location;
  location.text = text;
  const std::string whole(path);
  ROSS_TRY(const std::size_t length, pool_length(whole));
  location.pool = whole.substr(0, length);
  std::string_view rest = std::string_view(whole).substr(length);
  while (rest.starts_with('/')) rest.remove_prefix(1);
  const std::size_t slash = rest.find('/');
  location.container = rest.substr(0, slash);
  if (!location.container.empty()) {
    // The container's name is held to the same rules everywhere.
    ROSS_OK(attach::parse_url(join("local:" + location.pool, location.container), true));
  }
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash);
  while (rest.starts_with('/')) rest.remove_prefix(1);
  location.path = rest;
  return location;
}

// "ross:" or "ross+FABRIC:", which nothing on this machine can be named.
bool is_remote(std::string_view text) {
  const std::size_t colon = text.find("://");
  const std::string_view scheme = text.substr(0, colon);
  return colon != std::string_view::npos && (scheme == "ross" || scheme.starts_with("ross+")) &&
         scheme.find('/') == std::string_view::npos;
}

Result<Location> parse_remote(std::string_view whole, std::string_view text) {
  if (whole.find('\0') != std::string_view::npos) return fail(EINVAL, "a path has no NUL in it: remove it");
  if (whole.size() > 2 * fs::kPathBytesMax) return fail(ENAMETOOLONG);
  // SCHEME://HOST/POOL/CONTAINER is the URL, the rest the path in it.
  std::size_t end = whole.find("://") + 3;
  std::size_t names = 0;
  while (end < whole.size() && names < 3) {
    end = std::min(whole.find('/', end), whole.size());
    while (end < whole.size() && whole[end] == '/' && names < 2) ++end;
    ++names;
  }
  std::string_view rest = whole.substr(end);
  while (rest.starts_with('/')) rest.remove_prefix(1);
  std::string_view front = whole.substr(0, end);
  while (front.ends_with('/')) front.remove_suffix(1);
  auto url = attach::parse_url(front, true);
  if (!url.has_value()) {
    // Perhaps a pool alone; if not, what was wrong with the whole says more.
    auto pool = attach::parse_url(front, false);
    if (!pool.has_value()) return fail(std::move(url).error());
    url = std::move(pool);
  }
  Location location;
  location.text = text;
  location.pool = url->pool_place();
  location.container = url->container;
  location.path = rest;
  return location;
}

}  // namespace

std::string pool_url(std::string_view pool) {
  return is_remote(pool) ? std::string(pool) : "local:" + std::string(pool);
}

std::string Location::below(std::string_view name) const { return join(text, name); }

Result<Location> parse_location(std::string_view text, Plain plain, const char* default_url) {
  if (text.empty()) return fail(EINVAL, "the path is empty: write local:POOL_DIRECTORY/CONTAINER/PATH or a path");
  if (text.starts_with(':')) {
    if (default_url == nullptr || *default_url == '\0') {
      return fail(EINVAL, "':' stands for what ROSS_URL names: set it, as in ROSS_URL=local:/srv/ross/pool0/datasets");
    }
    std::string_view base = default_url;
    if (base.starts_with("local:")) base.remove_prefix(6);
    // ROSS_URL itself may be bad: another scheme, control characters.
    if (!is_remote(base)) ROSS_OK(attach::parse_url(default_url, false));
    text.remove_prefix(1);
    while (text.starts_with('/')) text.remove_prefix(1);
    const std::string path = text.empty() ? std::string(base) : join(base, text);
    const std::string shown = fmt::format(":/{}", text);
    return is_remote(base) ? parse_remote(path, shown) : parse_store(path, shown);
  }
  if (text.starts_with("local:")) return parse_store(text.substr(6), text);
  if (is_remote(text)) return parse_remote(text, text);
  // What looks like a scheme and is none we have is more likely a mistake than a file's name.
  const std::size_t scheme = text.find("://");
  if (scheme != std::string_view::npos && text.find('/') == scheme + 1) {
    ROSS_OK(attach::parse_url(text, true));
  }
  if (plain == Plain::kStore) return parse_store(text, text);
  if (text.find('\0') != std::string_view::npos) return fail(EINVAL, "a path has no NUL in it: remove it");
  Location location;
  location.text = text;
  location.host = true;
  return location;
}

Result<Location> parse_location(std::string_view text, Plain plain) {
  return parse_location(text, plain, std::getenv("ROSS_URL"));
}

std::string_view base_name(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  return path == "." || path == ".." ? std::string_view{} : path;
}

std::string join(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  return path += name;
}

}  // namespace ross::cli
