// Pool names: what a program calls a pool becomes a URL.
//
// In this order: a name with '/' in it, or that begins with "local:", is a URL itself; the environment variable
// ROSS_POOL_<NAME> (upper case, other bytes than letters and digits as '_'); the configuration file, which is the first
// there is of $ROSS_CONFIG, ~/.config/ross/config.toml and /etc/ross/config.toml:
//
//   [pool.training]
//   url = "local:/srv/ross/pool0"
//
// Errors: ENOENT for a name that nothing says, EINVAL for a file that is no configuration; both say where they looked.
// Threading: any thread, while nobody changes the environment.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::dfs {

Result<std::string> pool_url(std::string_view name);

}  // namespace ross::dfs
