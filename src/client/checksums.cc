#include "client/checksums.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checksum.h"
#include "fs/loan.h"

namespace ross::client {

Result<bool> matches(const memory::Memory& data, std::uint64_t size_bytes, std::uint64_t offset_bytes,
                     std::string_view checksums) {
  constexpr std::uint64_t kBlock = fs::kChecksumBlockBytes;
  const std::uint64_t begin = (offset_bytes + kBlock - 1) / kBlock * kBlock;
  const std::uint64_t end = std::max(begin, (offset_bytes + size_bytes) / kBlock * kBlock);
  if (checksums.size() != (end - begin) / kBlock * sizeof(std::uint32_t)) {
    return fail(EBADMSG, "the server's answer has checksums for another part of the file");
  }
  std::uint64_t at = offset_bytes;  // in the file
  std::uint32_t crc = 0;            // of the block that `at` is in, so far
  for (const memory::Span& span : data.spans()) {
    for (std::size_t done = 0, step = 0; done < span.size_bytes && at < end; done += step, at += step) {
      const std::uint64_t to = at < begin ? begin : (at / kBlock + 1) * kBlock;
      step = std::min<std::size_t>(span.size_bytes - done, to - at);
      if (at < begin) continue;
      crc = crc32c({span.data + done, step}, crc);
      if (at + step < to) continue;
      std::uint32_t expected = 0;
      std::memcpy(&expected, checksums.data() + (at - begin) / kBlock * sizeof expected, sizeof expected);
      if (std::exchange(crc, 0) != expected) return false;
    }
  }
  return true;
}

}  // namespace ross::client
