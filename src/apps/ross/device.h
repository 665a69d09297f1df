// A pool's device as people name it: /dev/nvme1n1, /data/device, ram:8G, file:/data/device:64G.
// Threading: any thread.
#pragma once

#include <string_view>

#include "base/status.h"
#include "engine/pool.h"

namespace ross::cli {

// Errors: EINVAL with the form expected; those of looking at a path that must be there.
Result<engine::DeviceSpec> parse_device(std::string_view text);

}  // namespace ross::cli
