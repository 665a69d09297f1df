// Goal: no superblock or device header crashes its decoder or yields what a pool cannot have.
// Method: the input as it is, and as the beginning of a block that is padded and given a right checksum, so that what
// lies behind the checksum is reached. What is accepted must survive being written and read again.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/checksum.h"
#include "engine/format/superblock.h"

namespace {

using namespace ross::engine::format;

std::string sealed(std::string_view input, std::size_t size_bytes) {
  std::string block(input.substr(0, size_bytes - 4));
  block.resize(size_bytes - 4, '\0');
  append_little(block, ross::crc32c(std::as_bytes(std::span(block))));
  return block;
}

void check_superblock(std::string_view bytes) {
  const auto superblock = decode_superblock(bytes);
  if (!superblock.has_value()) {
    ROSS_CHECK(!superblock.error().message().empty());
    return;
  }
  ROSS_CHECK(!superblock->devices.empty() && superblock->devices.size() <= kDevicesMax);
  for (const auto& device : superblock->devices) {
    ROSS_CHECK(device.path.size() <= kDevicePathBytesMax);
    ROSS_CHECK(device.size_bytes % kBlockBytes == 0);
  }
  const std::string canonical = encode(*superblock);
  const auto again = decode_superblock(canonical);
  ROSS_CHECK(again.has_value() && encode(*again) == canonical);
}

void check_header(std::string_view bytes) {
  const auto header = decode_device_header(bytes);
  if (!header.has_value()) {
    ROSS_CHECK(!header.error().message().empty());
    return;
  }
  const std::string canonical = encode(*header);
  const auto again = decode_device_header(canonical);
  ROSS_CHECK(again.has_value() && again->uuid == header->uuid && again->index == header->index);
  ROSS_CHECK(again->size_bytes == header->size_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  check_superblock(input);
  check_header(input);
  check_superblock(sealed(input, kSuperblockBytes));
  check_header(sealed(input, kBlockBytes));
  return 0;
}
