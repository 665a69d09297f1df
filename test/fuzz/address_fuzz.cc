// Goal: no text makes the parser of TCP addresses crash or give a host and port that are none.
// Method: what is accepted must come out the same when it is written down and parsed again, by its text and by the kernel's form.

#include <cstdint>
#include <string>

#include "fabric/tcp/address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ross::fabric::tcp;
  const std::string text(data, data + size);
  const auto address = parse(text);
  if (!address.has_value()) {
    ROSS_CHECK(!address.error().ok() && !address.error().message().empty());
    return 0;
  }
  ROSS_CHECK(!address->host.empty() && address->host.find('\0') == std::string::npos);
  const auto again = parse(to_text(*address));
  ROSS_CHECK(again.has_value() && again->host == address->host && again->port == address->port);
  const auto place = numeric(*address);
  if (!place.has_value()) return 0;
  ROSS_CHECK(port_of(*place) == address->port && place->size > 0);
  const auto written = parse(to_text(*place));
  ROSS_CHECK(written.has_value());
  const auto same = numeric(*written);
  ROSS_CHECK(same.has_value() && to_text(*same) == to_text(*place) && is_wildcard(*same) == is_wildcard(*place));
  return 0;
}
