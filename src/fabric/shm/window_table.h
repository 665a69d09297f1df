// WindowTable: what an endpoint exposes, as peers of the same user see it and as the endpoint itself checks it.
//
// The table lies in memory that only we can write: peers map it to read, and look up there what they may reach before they
// copy. Our own copy of it, which no peer can reach, is what transfers through the rings are checked against.
//
// A peer marks a window in our inbox before it looks at the entry, and takes the mark away when its copy is over. So
// close(), which empties the entry, followed by a look at the marks, leaves nobody who copies and is not seen:
//     peer:   mark = index;  look at state          owner:  state = 0;  look at mark
// Both stores and both loads are sequentially consistent. release() makes the place free for the next window, and
// comes after the marks are gone.
//
// Ownership: borrows exposed memory until close(). Threading: owner thread; peers read the shared part at any time.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/random_bytes.h"
#include "base/status.h"
#include "fabric/endpoint.h"
#include "fabric/shm/layout.h"
#include "fabric/shm/shared_memory.h"

namespace ross::fabric::shm {

inline constexpr std::size_t kTableBytes = Endpoint::kWindowsMax * sizeof(WindowEntry);

// What a transfer asks for.
struct Request {
  WindowKey key{};
  Access access = Access::kRead;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t link = 0;  // who asks
};

// The same answer for every wrong request: it tells a guesser nothing.
Status refused();
// In constant time.
bool same_key(const std::array<std::uint64_t, 2>& a, const std::array<std::uint64_t, 2>& b);
std::optional<WindowKey> parse_key(const Window& window);

class WindowTable {
 public:
  static Result<WindowTable> create();

  struct Place {
    std::uint64_t region = 0;  // 0: not in a shared region
    std::uint64_t region_offset = 0;
    std::uint64_t only_for = 0;
  };
  // Errors: ENOBUFS.
  Result<Window> open(std::span<std::byte> memory, Access access, const Place& place);
  // The index of a window that open() gave and that is open; nothing else is passed.
  [[nodiscard]] std::uint32_t index_of(const Window& window) const;
  [[nodiscard]] std::uint64_t only_for(std::uint32_t index) const { return slots_[index].only_for; }
  void close(std::uint32_t index);
  void release(std::uint32_t index) { free_.push_back(index); }
  // The bytes asked for, by a peer whose request came through the ring: everything is checked.
  [[nodiscard]] Result<std::span<std::byte>> find(const Request& request) const;

  [[nodiscard]] int fd() const { return shared_.fd(); }

 private:
  struct Slot {
    std::span<std::byte> memory;
    std::array<std::uint64_t, 2> secret{};
    std::uint64_t only_for = 0;
    Access access = Access::kRead;
    bool open = false;
  };

  [[nodiscard]] WindowEntry& entry(std::uint32_t index) const {
    return reinterpret_cast<WindowEntry*>(shared_.data())[index];
  }

  SharedMemory shared_;
  std::vector<Slot> slots_;          // as many as were ever open at once
  std::vector<std::uint32_t> free_;  // of slots_
  RandomReserve random_;
};

}  // namespace ross::fabric::shm
