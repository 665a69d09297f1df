// Bytes and descriptors over a Unix socket that does not block.
//
// Threading: any thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/status.h"
#include "fabric/shm/shared_memory.h"

namespace ross::fabric::shm {

inline constexpr std::size_t kPassedMax = 2;  // descriptors in one message

// All of it or nothing; EAGAIN when the socket is full.
Status pass(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors);

// What is there, at most bytes: how many; 0 at the end. Appends to descriptors, at most kPassedMax in one call. Errors: EAGAIN when
// nothing is there, EPROTO for more descriptors than that.
Result<std::size_t> receive_passed(int socket, std::span<std::byte> bytes, std::vector<Descriptor>& descriptors);

}  // namespace ross::fabric::shm
