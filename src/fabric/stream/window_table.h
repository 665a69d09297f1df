// WindowTable: what an endpoint has exposed, and whether a peer may do what it asks for.
//
// A key is the window's place in the table and 128 bits from the kernel's generator, compared in the same time whether
// they match or not. Wrong key, revoked, wrong direction and wrong channel are one answer, so that a peer that guesses learns
// nothing. While a transfer is under way between two system calls it holds a use of the window; who revokes learns from
// that count whether any channel has to be looked at.
//
// Ownership: borrows the memory. Threading: owner thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/random_bytes.h"
#include "base/status.h"
#include "fabric/endpoint.h"
#include "fabric/stream/frame.h"

namespace ross::fabric::stream {

class WindowTable {
 public:
  // channel: the serial number of the only channel that may use the window, 0 for all. Errors: ENOBUFS.
  Result<Key> add(std::span<std::byte> memory, Access access, std::uint64_t channel);
  // Returns how many transfers hold a use of it, which ends here: who holds one forgets it.
  std::uint32_t remove(const Key& key);

  // The memory a peer may touch. EACCES, or ERANGE for the right key and a range that is not in the window.
  Result<std::span<std::byte>> find(const Key& key, Access access, std::uint64_t channel, std::uint64_t offset_bytes,
                                    std::uint64_t size_bytes) const;
  // Between these a transfer is under way. Not for a window that was removed.
  void use(std::uint32_t slot) { ++entries_[slot].uses; }
  void let_go(std::uint32_t slot) { --entries_[slot].uses; }

  [[nodiscard]] std::size_t exposed() const { return exposed_; }

 private:
  struct Entry {
    std::span<std::byte> memory;
    std::array<std::uint32_t, 4> secret{};
    std::uint64_t channel = 0;
    std::uint32_t uses = 0;
    Access access = Access::kRead;
    bool live = false;
  };

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::size_t exposed_ = 0;
  RandomReserve random_;
};

// As a Window carries it.
std::string to_text(const Key& key);
Result<Key> key_of(const Window& window);

}  // namespace ross::fabric::stream
