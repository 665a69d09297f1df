// What the store keeps for a server's clients: who they are, and the last change made in each of their slots.
//
// docs/formats/pool.md shows every layout to the byte. Threading: immutable values.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/clients.h"
#include "engine/format/keys.h"

namespace ross::engine::format {

inline std::string client_key(const ClientId& id) {
  return key_of(KeyKind::kClient).append(reinterpret_cast<const char*>(id.data()), id.size());
}
inline std::string remembered_prefix(const ClientId& id) {
  std::string key;
  key.reserve(19);
  key.push_back(static_cast<char>(KeyKind::kRemembered));
  return key.append(reinterpret_cast<const char*>(id.data()), id.size());
}
inline std::string remembered_key(const ClientId& id, std::uint16_t slot) {
  std::string key = remembered_prefix(id);
  append_big(key, slot);
  return key;
}

// The id and the slot are in the keys. EIO for a key or value that is damaged.
std::string encode(const ClientRecord& client);
std::string encode(const RememberedChange& change);
Result<ClientRecord> decode_client(std::string_view key, std::string_view value);
struct RememberedOf {
  ClientId client{};
  RememberedChange change;
};
Result<RememberedOf> decode_remembered(std::string_view key, std::string_view value);

}  // namespace ross::engine::format
