// Location: a place a command works on, on the host or inside a container.
//
//   local:/srv/ross/pool0/datasets/dir/file     POOL_DIRECTORY/CONTAINER/PATH
//   ross://server:7470/pool0/datasets/dir/file  HOST[:PORT]/POOL/CONTAINER/PATH, served by a ross-engine; ross+FABRIC:// chooses how
//   :/dir/file                                  PATH below what ROSS_URL names, as ROSS_URL=local:/srv/ross/pool0/datasets
//   dir/file, ./a:b                             a path of the host (cp, put, get); elsewhere the same as local:
//
// The pool's directory is the longest beginning of the path that holds a pool, so nothing in the text needs to mark
// it; the next component names the container and the rest the path in it, whose bytes are taken as they are.
// Threading: immutable values.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::cli {

// The file that makes a directory a pool.
inline constexpr std::string_view kPoolFile = "ross-pool";

struct Location {
  std::string text;       // as given
  bool host = false;      // a path of the host, which is text
  std::string pool;       // its directory, or its URL where a ross-engine serves it
  std::string container;  // empty: the location names a pool only
  std::string path;       // in the container, without '/' in front; empty is the root; a trailing '/' is kept

  // text with one more component, for messages.
  [[nodiscard]] std::string below(std::string_view name) const;
};

// What a path without "local:" or ':' in front is.
enum class Plain : bool { kHost, kStore };
// Errors: EINVAL with the form expected, ENOENT where no pool is on the path, EACCES where that cannot be seen.
// default_url is ROSS_URL's value, or null.
Result<Location> parse_location(std::string_view text, Plain plain, const char* default_url);
// As above, with ROSS_URL from the environment.
Result<Location> parse_location(std::string_view text, Plain plain);

// The URL of a pool as a Location names it.
std::string pool_url(std::string_view pool);
// The last component of a path without the slashes behind it; empty for "/", ".", ".." and "".
std::string_view base_name(std::string_view path);
// directory + '/' + name.
std::string join(std::string_view directory, std::string_view name);

}  // namespace ross::cli
