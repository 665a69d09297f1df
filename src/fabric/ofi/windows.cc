#include "fabric/ofi/windows.h"

#include "base/log.h"

namespace ross::fabric::ofi {

Result<Window> WindowTable::expose(const Exposure& exposure, std::uint32_t only_for) {
  if (entries_.size() >= Endpoint::kWindowsMax) return fail(ENOBUFS, "too many windows are exposed");
  const Provider& provider = domain_.provider();
  const Use use = exposure.access == Access::kRead ? Use::kPeersGet : Use::kPeersPut;
  Entry entry{exposure.memory, exposure.access, only_for, 0, {}};
  std::size_t offset = 0;  // in what is registered
  if (exposure.region != nullptr && !provider.cheap_registration) {
    ROSS_CHECK(exposure.region->holds(exposure.memory), "a window outside its region");
    const auto& region = static_cast<const OfiRegion&>(*exposure.region);
    ROSS_TRY(const Registration* whole, region.registration(use, endpoint_));
    entry.rkey = whole->rkey;
    offset = static_cast<std::size_t>(exposure.memory.data() - region.memory().data());
  } else if (!exposure.memory.empty()) {
    ROSS_TRY(entry.own, domain_.register_memory(exposure.memory, use, endpoint_));
    entry.rkey = entry.own.rkey;
  }
  WindowKey key;
  key.access = static_cast<std::uint8_t>(exposure.access);
  key.only_for = only_for;
  key.id = next_id_++;
  key.rkey = entry.rkey;
  key.base = provider.virtual_addresses ? reinterpret_cast<std::uintptr_t>(exposure.memory.data()) : offset;
  key.size_bytes = exposure.memory.size();
  entries_.emplace(key.id, std::move(entry));
  return Window{exposure.memory.size(), encode(key)};
}

void WindowTable::revoke(std::uint64_t id) {
  ROSS_CHECK(entries_.erase(id) == 1, "a window was revoked that is not exposed");
}

Status WindowTable::check(const TransferRecord& record, std::uint32_t channel) const {
  const auto at = entries_.find(record.window);
  if (at == entries_.end()) return Status(EACCES, "a transfer asked for a window that is not exposed");
  const Entry& entry = at->second;
  if (record.rkey != entry.rkey) return Status(EACCES, "a transfer came with a wrong key");
  if (record.access != static_cast<std::uint32_t>(entry.access)) {
    return Status(EACCES, "a transfer went against the direction of its window");
  }
  if (record.offset_bytes > entry.memory.size() || record.size_bytes > entry.memory.size() - record.offset_bytes) {
    return Status(EACCES, "a transfer went beyond its window");
  }
  if (entry.only_for != 0 && entry.only_for != channel) {
    return Status(EACCES, "a transfer came from another channel than its window is for");
  }
  return {};
}

}  // namespace ross::fabric::ofi
