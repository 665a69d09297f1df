// The memory an endpoint exposes: every transfer that a peer asks for is checked here, by the owner, in software.
//
// Keys are 128 bits from the kernel's random generator. A window that is revoked while a transfer uses it stays as an
// entry without a name until the last one has let go. Threading: owner thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "base/random_bytes.h"
#include "base/status.h"
#include "fabric/endpoint.h"
#include "fabric/ucx/wire.h"

namespace ross::fabric::ucx {

struct Exposed {
  std::span<std::byte> memory;
  Access access = Access::kRead;
  std::uint64_t only_for = 0;  // the name of a link; 0: any
  std::size_t transfers = 0;   // that UCX carries out right now
};

class WindowTable {
 public:
  // Errors: ENOBUFS.
  Result<Window> add(std::span<std::byte> memory, Access access, std::uint64_t only_for);
  // The entry, no longer to be found. It lives until the caller drops it.
  std::unique_ptr<Exposed> remove(const Window& window);
  // What a peer on link may use, all of [offset, offset + size); null if it may not.
  Exposed* find(const Place& place, std::uint64_t size_bytes, Access access, std::uint64_t link);

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const { return load<std::size_t>(key.data()); }  // they are random
  };

  std::unordered_map<Key, std::unique_ptr<Exposed>, Hash> exposed_;
  RandomReserve random_;
};

}  // namespace ross::fabric::ucx
