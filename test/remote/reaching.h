// How a host of a test reaches the engine behind its agent: by the transport of the test.
//
// Threading: any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/reaching.h"

namespace ross::remote_test {

// Data of more than bytes_min goes there. through, if set, says at which address instead.
inline client::Reaching reaching_by(Result<std::unique_ptr<fabric::Domain>> (*make)(), std::size_t bytes_min,
                                    std::function<std::string(std::string)> through = {}) {
  auto domain = make();
  const std::shared_ptr<fabric::Domain> shared = domain.has_value() ? *std::move(domain) : nullptr;
  const auto choose =
      [shared, through = std::move(through)](const wire::Reach& reach) -> Result<std::vector<client::ReachableBy>> {
    if (shared == nullptr || reach.ways.empty()) return fail(ENOTSUP, "there is no way");
    std::vector<client::ReachableBy> ways;
    for (const wire::Reach::Way& way : reach.ways) {
      std::string address(way.address);
      if (through) address = through(std::move(address));
      ways.push_back({.fabric = std::string(way.backend), .address = std::move(address), .domain = shared.get()});
    }
    return ways;
  };
  return {.choose = choose, .bytes_min = bytes_min};
}

}  // namespace ross::remote_test
