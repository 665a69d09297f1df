// FileContent: the bytes of one file, sparse in pages, with the space it holds kept apart from the data.
//
// A page that is not there reads as zeros. Space may be held without data (preallocation). The file's size is the
// node's business; the content promises that bytes behind the size a cut() told are zero when the file grows again.
//
// Copies share pages until one of them writes. Threading: owner thread (copies of one thread may share pages).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "block_set.h"
#include "memory/memory.h"

namespace ross::model {

inline constexpr std::uint64_t kPageBytes = 4096;

class FileContent {
 public:
  // Fills [0, size) of into from offset.
  void read(std::uint64_t offset_bytes, std::uint64_t size_bytes, const memory::Memory& into) const;
  void write(std::uint64_t offset_bytes, const memory::Memory& from);
  // Drops data and space behind size; the rest of the last page becomes zeros.
  void cut(std::uint64_t size_bytes);
  // Zeros in [begin, end). Whole pages give their space back unless keep_space, which instead holds all of it.
  void zero(std::uint64_t begin, std::uint64_t end, bool keep_space);
  void reserve(std::uint64_t begin, std::uint64_t end);
  // Space that reserve() or a write of [begin, end) would newly take.
  [[nodiscard]] std::uint64_t bytes_to_take(std::uint64_t begin, std::uint64_t end) const;
  [[nodiscard]] std::uint64_t allocated_bytes() const { return allocated_.count() * kPageBytes; }
  // The first byte at or behind offset that lies in a page with data.
  [[nodiscard]] std::optional<std::uint64_t> next_data(std::uint64_t offset_bytes) const;
  // The first byte at or behind offset that does not.
  [[nodiscard]] std::uint64_t next_hole(std::uint64_t offset_bytes) const;

 private:
  using Page = std::array<std::byte, kPageBytes>;
  Page& edit(std::uint64_t index);
  void zero_within(std::uint64_t index, std::uint64_t begin, std::uint64_t end);

  std::map<std::uint64_t, std::shared_ptr<Page>> pages_;  // shared between copies, replaced when written
  BlockSet allocated_;                                    // every page with data, and what is reserved
};

}  // namespace ross::model
