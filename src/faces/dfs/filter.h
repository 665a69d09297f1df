// Filter: which entries a filtered listing gives. Threading: immutable.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fs/types.h"

namespace ross::dfs {

// SQL's LIKE: '%' any bytes, '_' one byte, '\' takes the next byte as it is. Linear in memory, never exponential.
bool matches_like(std::string_view name, std::string_view pattern);

struct Pipeline {
  std::optional<std::string> name;           // a pattern
  std::optional<std::int64_t> newer_than_s;  // modification time, seconds
  bool include_directories = false;          // directories pass whatever they are called
  [[nodiscard]] bool passes(const fs::DirEntry& entry) const;
};

}  // namespace ross::dfs
