#include "fabric/shm/window_table.h"

#include <cstring>

namespace ross::fabric::shm {

Status refused() { return Status(EACCES, "no such window: wrong key, direction or range, or revoked"); }

bool same_key(const std::array<std::uint64_t, 2>& a, const std::array<std::uint64_t, 2>& b) {
  return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

std::optional<WindowKey> parse_key(const Window& window) {
  WindowKey key{};
  if (window.key.size() != sizeof key) return std::nullopt;
  std::memcpy(&key, window.key.data(), sizeof key);
  return key;
}

Result<WindowTable> WindowTable::create() {
  WindowTable table;
  ROSS_TRY(table.shared_, SharedMemory::create(kTableBytes, SharedMemory::Shape::kPlain));
  ROSS_OK(table.shared_.forbid_writing());
  return table;
}

Result<Window> WindowTable::open(std::span<std::byte> memory, Access access, const Place& place) {
  WindowKey key{};
  if (!free_.empty()) {
    key.index = free_.back();
    free_.pop_back();
  } else if (slots_.size() < Endpoint::kWindowsMax) {
    key.index = slots_.size();
    slots_.emplace_back();
  } else {
    return fail(ENOBUFS, "too many windows are exposed at once");
  }
  key.secret = random_.take<std::uint64_t, 2>();
  Slot& slot = slots_[key.index];
  slot = {.memory = memory, .secret = key.secret, .only_for = place.only_for, .access = access, .open = true};

  constexpr auto kRelaxed = std::memory_order_relaxed;
  WindowEntry& shown = entry(static_cast<std::uint32_t>(key.index));
  shown.access.store(static_cast<std::uint32_t>(access), kRelaxed);
  for (std::size_t i = 0; i < key.secret.size(); ++i) shown.key[i].store(key.secret[i], kRelaxed);
  shown.address.store(reinterpret_cast<std::uintptr_t>(memory.data()), kRelaxed);
  shown.size_bytes.store(memory.size(), kRelaxed);
  shown.region.store(place.region, kRelaxed);
  shown.region_offset.store(place.region_offset, kRelaxed);
  shown.only_for.store(place.only_for, kRelaxed);
  shown.state.store(1, std::memory_order_seq_cst);

  Window window{.size_bytes = memory.size(), .key = std::string(sizeof key, '\0')};
  std::memcpy(window.key.data(), &key, sizeof key);
  return window;
}

std::uint32_t WindowTable::index_of(const Window& window) const {
  const auto key = parse_key(window);
  ROSS_CHECK(key && key->index < slots_.size() && slots_[key->index].open && slots_[key->index].secret == key->secret,
             "a window was revoked that is not exposed");
  return static_cast<std::uint32_t>(key->index);
}

void WindowTable::close(std::uint32_t index) {
  slots_[index].open = false;
  entry(index).state.store(0, std::memory_order_seq_cst);
}

Result<std::span<std::byte>> WindowTable::find(const Request& request) const {
  if (request.key.index >= slots_.size()) return fail(refused());
  const Slot& slot = slots_[request.key.index];
  const bool matches = same_key(slot.secret, request.key.secret);
  if (!slot.open || !matches || slot.access != request.access ||
      (slot.only_for != 0 && slot.only_for != request.link) || request.offset > slot.memory.size() ||
      request.size_bytes > slot.memory.size() - request.offset) {
    return fail(refused());
  }
  return slot.memory.subspan(request.offset, request.size_bytes);
}

}  // namespace ross::fabric::shm
