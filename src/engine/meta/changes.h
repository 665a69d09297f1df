// Changes: what a transaction puts and erases, in the order of the keys.
//
// The first 24 bytes of a key lie in the tree itself, as three integers that compare like the bytes: the whole of most keys,
// and always what tells apart two directories and two hashes. So a search touches the tree's nodes and the one change it finds.
//
// Threading: the owner's.
#pragma once

#include <absl/container/btree_set.h>

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ross::engine {

struct Change {
  std::string key;
  std::optional<std::string> value;  // none: erased
  bool unkept = false;               // since the last keep; see MetaStore
};

class Changes {
  using Head = std::array<std::uint64_t, 3>;
  struct Item {
    Head head;
    std::unique_ptr<Change> change;
  };
  struct Sought {
    Head head;
    std::string_view key;
  };
  struct Before {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      const auto order = a.head <=> b.head;
      return order != 0 ? order < 0 : key_of(a) < key_of(b);
    }
    static std::string_view key_of(const Item& item) { return item.change->key; }
    static std::string_view key_of(const Sought& sought) { return sought.key; }
  };
  using Tree = absl::btree_set<Item, Before>;

 public:
  [[nodiscard]] bool empty() const { return tree_.empty(); }
  [[nodiscard]] std::size_t size() const { return tree_.size(); }
  // Null when the key is unchanged.
  [[nodiscard]] const Change* find(std::string_view key) const {
    const auto found = tree_.find(sought(key));
    return found != tree_.end() ? found->change.get() : nullptr;
  }
  // What is set stays where it is until clear().
  Change& set(std::string key, std::optional<std::string> value) {
    const Sought place = sought(key);
    const auto found = tree_.lower_bound(place);
    if (found != tree_.end() && found->head == place.head && found->change->key == key) {
      found->change->value = std::move(value);
      return *found->change;
    }
    return *tree_.insert(found, Item{place.head, std::make_unique<Change>(std::move(key), std::move(value))})->change;
  }
  void clear() { tree_.clear(); }
  void swap(Changes& other) { tree_.swap(other.tree_); }

  // Walks changes in the order of their keys. Valid until the next change.
  class Cursor {
   public:
    // Null at the end.
    [[nodiscard]] const Change* get() const { return at_ != end_ ? at_->change.get() : nullptr; }
    void next() { ++at_; }

   private:
    friend class Changes;
    Cursor(Tree::const_iterator at, Tree::const_iterator end) : at_(at), end_(end) {}
    Tree::const_iterator at_;
    Tree::const_iterator end_;
  };
  // The first change at or behind key.
  [[nodiscard]] Cursor from(std::string_view key) const { return {tree_.lower_bound(sought(key)), tree_.end()}; }

 private:
  static Sought sought(std::string_view key) {
    Sought sought{.head = {}, .key = key};
    std::array<char, sizeof(Head)> bytes{};
    std::memcpy(bytes.data(), key.data(), std::min(key.size(), bytes.size()));
    std::memcpy(sought.head.data(), bytes.data(), bytes.size());
    if constexpr (std::endian::native == std::endian::little) {
      for (std::uint64_t& part : sought.head) part = __builtin_bswap64(part);
    }
    return sought;
  }
  Tree tree_;
};

}  // namespace ross::engine
