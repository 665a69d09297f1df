#include "fabric/ucx/windows.h"

#include <string>

namespace ross::fabric::ucx {

Result<Window> WindowTable::add(std::span<std::byte> memory, Access access, std::uint64_t only_for) {
  if (exposed_.size() >= Endpoint::kWindowsMax) {
    return fail(ENOBUFS, "an endpoint exposes no more than 65536 windows at once");
  }
  const Key key = random_.take<std::byte, sizeof(Key)>();
  exposed_.emplace(key, std::make_unique<Exposed>(Exposed{memory, access, only_for, 0}));
  return Window{.size_bytes = memory.size(), .key = std::string(reinterpret_cast<const char*>(key.data()), sizeof key)};
}

std::unique_ptr<Exposed> WindowTable::remove(const Window& window) {
  ROSS_CHECK(window.key.size() == sizeof(Key), "revoke() of what expose() did not give");
  const auto found = exposed_.find(load<Key>(reinterpret_cast<const std::byte*>(window.key.data())));
  ROSS_CHECK(found != exposed_.end(), "revoke() of a window that is not exposed");
  std::unique_ptr<Exposed> entry = std::move(found->second);
  exposed_.erase(found);
  return entry;
}

Exposed* WindowTable::find(const Place& place, std::uint64_t size_bytes, Access access, std::uint64_t link) {
  const auto found = exposed_.find(place.key);
  if (found == exposed_.end()) return nullptr;
  Exposed& entry = *found->second;
  if (entry.access != access || (entry.only_for != 0 && entry.only_for != link)) return nullptr;
  if (place.offset_bytes > entry.memory.size() || size_bytes > entry.memory.size() - place.offset_bytes) return nullptr;
  return &entry;
}

}  // namespace ross::fabric::ucx
