// Checksums: what was read, checked where it ended up. A server that lends its memory to the network need not look at the
// data itself, and what the network spoils is found, too.
//
// Threading: any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/status.h"
#include "memory/memory.h"

namespace ross::client {

// Whether the first size_bytes of data, which begin at offset_bytes of their file, match the checksums that came with them: a
// CRC32C of 32 bits, little-endian, for each block of fs::kChecksumBlockBytes of the file that is there from end to
// end. EBADMSG when there are more or fewer.
Result<bool> matches(const memory::Memory& data, std::uint64_t size_bytes, std::uint64_t offset_bytes,
                     std::string_view checksums);

}  // namespace ross::client
