#include "base/checksum.h"

#include <isa-l/crc.h>

namespace ross {

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t previous) {
  // ISA-L takes its data as mutable and its length as int, and does not invert; CRC32C inverts before and after.
  auto* bytes = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(data.data()));
  std::size_t left = data.size();
  std::uint32_t crc = ~previous;
  constexpr std::size_t kStepMax = std::size_t{1} << 30;
  while (left > 0) {
    const std::size_t step = left < kStepMax ? left : kStepMax;
    crc = crc32_iscsi(bytes, static_cast<int>(step), crc);
    bytes += step;
    left -= step;
  }
  return ~crc;
}

}  // namespace ross
