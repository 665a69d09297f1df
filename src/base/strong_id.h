// StrongId: an integer that is one kind of identifier and no other.
//
//   struct InodeTag; using InodeId = StrongId<InodeTag, std::uint64_t>;
//
// Compares, hashes and prints; does not convert. Threading: immutable.
#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace ross {

template <class Tag, class Integer>
struct StrongId {
  Integer value{};
  constexpr StrongId() = default;
  constexpr explicit StrongId(Integer v) : value(v) {}
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
  template <class H>
  friend H AbslHashValue(H state, const StrongId& id) {
    return H::combine(std::move(state), id.value);
  }
};

}  // namespace ross

template <class Tag, class Integer>
struct std::hash<ross::StrongId<Tag, Integer>> {
  std::size_t operator()(const ross::StrongId<Tag, Integer>& id) const noexcept {
    return std::hash<Integer>{}(id.value);
  }
};
