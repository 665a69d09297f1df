// Change: one write or punch on its way: what is to happen, and what was gathered for it so far.
//
// Ownership: the operation's. Threading: guarded by the pool's mutex where it points into the pool.
#pragma once

#include <absl/container/inlined_vector.h>

#include <array>

#include "engine/container.h"

namespace ross::engine {

struct Container::Change {
  enum class Kind : std::uint8_t { kWrite, kPunch };
  Kind kind = Kind::kWrite;
  bool append = false;      // begin is where the file ends when the change applies
  bool privileged = false;  // keeps set-id bits
  bool silent = false;      // housekeeping: times stay
  std::uint64_t begin = 0;  // bytes of the file, [begin, end)
  std::uint64_t end = 0;
  memory::Memory from;        // kWrite
  std::uint64_t from_at = 0;  // where in `from` the range begins

  // A block at the border of the range that keeps some of its old content.
  struct Edge {
    std::uint64_t block = 0;
    format::BlockRef seen;         // what it was mapped to when its content was read
    std::byte* content = nullptr;  // the new content, whole
  };
  std::array<Edge, 2> edges{};
  std::size_t edge_count = 0;
  memory::Lease scratch;  // the edges' content

  // Blocks that get new content: all of a write, the edges of a punch; and where they go.
  absl::InlinedVector<format::BlockRef, 8> refs;
  absl::InlinedVector<Extent, 2> extents;  // allocated, not yet referenced
  std::vector<std::uint32_t> punched;      // segments that a punch takes blocks from
  std::uint64_t credit = 0;                // blocks of the range that hold a reservation

  [[nodiscard]] std::uint64_t first_block() const { return begin / format::kBlockBytes; }
  [[nodiscard]] std::uint64_t end_block() const { return (end + format::kBlockBytes - 1) / format::kBlockBytes; }
  [[nodiscard]] std::size_t target_count() const {
    return kind == Kind::kWrite ? static_cast<std::size_t>(end_block() - first_block()) : edge_count;
  }
  // The file block of target i.
  [[nodiscard]] std::uint64_t target(std::size_t i) const {
    return kind == Kind::kWrite ? first_block() + i : edges[i].block;
  }
  [[nodiscard]] const Edge* edge_of(std::uint64_t block) const {
    for (std::size_t i = 0; i < edge_count; ++i) {
      if (edges[i].block == block) return &edges[i];
    }
    return nullptr;
  }
  // Where in `from` a block that is wholly written begins.
  [[nodiscard]] std::uint64_t source_of(std::uint64_t block) const {
    return from_at + block * format::kBlockBytes - begin;
  }
  // Composes the new content of target i.
  void fill(std::size_t i, std::byte* out) const;
};

}  // namespace ross::engine
