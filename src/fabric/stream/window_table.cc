#include "fabric/stream/window_table.h"

#include <cstring>

namespace ross::fabric::stream {
namespace {

bool same(const std::array<std::uint32_t, 4>& a, const std::array<std::uint32_t, 4>& b) {
  std::uint32_t differ = 0;
  for (std::size_t i = 0; i < a.size(); ++i) differ |= a[i] ^ b[i];
  return differ == 0;
}

}  // namespace

Result<Key> WindowTable::add(std::span<std::byte> memory, Access access, std::uint64_t channel) {
  if (free_.empty()) {
    if (entries_.size() == Endpoint::kWindowsMax) {
      return fail(ENOBUFS, "too many windows are exposed at once");
    }
    free_.push_back(static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  entries_[slot] = {.memory = memory,
                    .secret = random_.take<std::uint32_t, 4>(),
                    .channel = channel,
                    .uses = 0,
                    .access = access,
                    .live = true};
  ++exposed_;
  return Key{slot, entries_[slot].secret};
}

std::uint32_t WindowTable::remove(const Key& key) {
  ROSS_CHECK(key.slot < entries_.size() && entries_[key.slot].live && same(entries_[key.slot].secret, key.secret),
             "a window was revoked that is not exposed");
  Entry& entry = entries_[key.slot];
  entry.live = false;
  free_.push_back(key.slot);
  --exposed_;
  return entry.uses;
}

Result<std::span<std::byte>> WindowTable::find(const Key& key, Access access, std::uint64_t channel,
                                               std::uint64_t offset_bytes, std::uint64_t size_bytes) const {
  if (key.slot >= entries_.size()) return fail(EACCES);
  const Entry& entry = entries_[key.slot];
  if (!same(entry.secret, key.secret) || !entry.live || entry.access != access ||
      (entry.channel != 0 && entry.channel != channel)) {
    return fail(EACCES);
  }
  if (offset_bytes > entry.memory.size() || size_bytes > entry.memory.size() - offset_bytes) return fail(ERANGE);
  return entry.memory.subspan(offset_bytes, size_bytes);
}

std::string to_text(const Key& key) {
  std::string text(sizeof key, '\0');
  std::memcpy(text.data(), &key, sizeof key);
  return text;
}

Result<Key> key_of(const Window& window) {
  if (window.key.size() != sizeof(Key)) return fail(EINVAL, "the key of a window is of another kind");
  return load<Key>(reinterpret_cast<const std::byte*>(window.key.data()));
}

}  // namespace ross::fabric::stream
