// NameCache: directory entries that were looked up or changed lately.
//
// Two generations, a name in one of them at most: names go into the young one; when it is full it becomes the old one, and the
// old one is forgotten. A hit in the old one moves up. So a lookup costs no list keeping, and what is in use stays.
// Every change of an entry goes through put() or erase(), so a hit is always right. Hashes of 63 bits under the container's
// secret key stand for names; the stored name settles equal ones.
//
// Ownership: one per pool. Limits: entries_max names. Threading: guarded by the pool's mutex.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/format/records.h"

namespace ross::engine {

class NameCache {
 public:
  explicit NameCache(std::size_t entries_max) : generation_max_(entries_max / 2 + 1) {}

  std::optional<format::EntryRecord> find(format::NodeKey directory, std::uint64_t hash, std::string_view name) {
    const Key key{directory, hash};
    if (const auto found = young_.find(key); found != young_.end()) return check(found->second, name);
    const auto found = old_.find(key);
    if (found == old_.end()) return std::nullopt;
    const auto entry = check(found->second, name);
    if (entry) {
      Value value = std::move(found->second);
      old_.erase(found);
      insert(key, std::move(value));
    }
    return entry;
  }
  void put(format::NodeKey directory, std::uint64_t hash, std::string_view name, format::EntryRecord entry) {
    const Key key{directory, hash};
    Value value{std::string(name), entry};
    if (const auto found = young_.find(key); found != young_.end()) {
      found->second = std::move(value);
      return;
    }
    old_.erase(key);
    insert(key, std::move(value));
  }
  void erase(format::NodeKey directory, std::uint64_t hash) {
    const Key key{directory, hash};
    if (young_.erase(key) == 0) old_.erase(key);
  }

 private:
  struct Key {
    format::NodeKey directory;
    std::uint64_t hash;
    bool operator==(const Key&) const = default;
    template <class H>
    friend H AbslHashValue(H state, const Key& key) {
      return H::combine(std::move(state), key.directory, key.hash);
    }
  };
  struct Value {
    std::string name;
    format::EntryRecord entry;
  };
  static std::optional<format::EntryRecord> check(const Value& value, std::string_view name) {
    return value.name == name ? std::optional(value.entry) : std::nullopt;
  }
  // key is in neither generation.
  void insert(const Key& key, Value value) {
    if (young_.size() >= generation_max_) {
      old_ = std::move(young_);
      young_.clear();
    }
    young_.emplace(key, std::move(value));
  }
  const std::size_t generation_max_;
  absl::flat_hash_map<Key, Value> young_;
  absl::flat_hash_map<Key, Value> old_;
};

}  // namespace ross::engine
