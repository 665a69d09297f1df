// Who the tests are, and how long they wait at most.
#pragma once

#include <unistd.h>

#include <cstdint>

#include "base/clock.h"
#include "fs/file_system.h"

namespace ross::remote_test {

inline const fs::Credential kSelf{.uid = ::geteuid(), .gid = ::getegid()};

inline std::int64_t in_20_s() { return system_clock().monotonic_ns() + 20'000'000'000; }

}  // namespace ross::remote_test
