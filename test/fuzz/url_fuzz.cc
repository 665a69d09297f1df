// Goal: no text makes the URL parser crash or give parts that no pool or container can have.
// Method: each input with and without a container; what is accepted is checked, and must come out the same when it is
// written down again and parsed.

#include <cstdint>
#include <string>
#include <string_view>

#include "attach/attach.h"
#include "base/status.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ross::attach::parse_url;
  const std::string text(data, data + size);
  for (const bool want_container : {false, true}) {
    const auto url = parse_url(text, want_container);
    if (!url.has_value()) {
      ROSS_CHECK(!url.error().ok() && !url.error().message().empty());
      continue;
    }
    ROSS_CHECK(url->scheme == "local" || url->scheme == "ross");
    ROSS_CHECK(url->server.empty() == (url->scheme == "local"));
    ROSS_CHECK(!url->pool.empty() && url->pool.find('\0') == std::string::npos);
    ROSS_CHECK(url->container.empty() == !want_container);
    ROSS_CHECK(url->container.find('/') == std::string::npos && url->container.size() <= 255);
    const std::string pool = (url->scheme == "local" ? "local:" : "") + url->pool_place();
    const std::string canonical = pool + (want_container ? "/" + url->container : "");
    if (canonical.starts_with("local://")) continue;  // a pool at "/": its canonical text looks like one with a host
    const auto again = parse_url(canonical, want_container);
    ROSS_CHECK(again.has_value() && again->pool_place() == url->pool_place() && again->container == url->container,
               canonical);
  }
  return 0;
}
