#include "engine/format/superblock.h"

#include <fmt/format.h>

#include "base/checksum.h"

namespace ross::engine::format {
namespace {

constexpr std::string_view kPoolMagic = "ROSSPOOL";
constexpr std::string_view kDeviceMagic = "ROSSDEV1";

void append_uuid(std::string& out, const Uuid& uuid) {
  out.append(reinterpret_cast<const char*>(uuid.data()), uuid.size());
}

Uuid read_uuid(Reader& in) {
  Uuid uuid{};
  const std::string_view raw = in.bytes(uuid.size());
  if (in.ok()) std::memcpy(uuid.data(), raw.data(), raw.size());
  return uuid;
}

std::uint32_t checksum(std::string_view bytes) { return crc32c(std::as_bytes(std::span(bytes))); }

// Pads to size and closes with the checksum of everything before it.
std::string seal(std::string body, std::size_t size) {
  ROSS_CHECK(body.size() <= size - 4, "a header does not fit");
  body.resize(size - 4, '\0');
  append_little(body, checksum(body));
  return body;
}

// Checks magic, version and checksum, in the order that gives the most helpful answer; returns a reader behind the version.
Result<Reader> unseal(std::string_view bytes, std::size_t size, std::string_view magic, std::string_view what) {
  if (bytes.size() < size) return fail(EIO, fmt::format("{} is truncated: restore it from a copy of the pool", what));
  bytes = bytes.substr(0, size);
  Reader in(bytes);
  if (in.bytes(magic.size()) != magic) return fail(EINVAL, fmt::format("{} is not one of ROSS", what));
  const auto version = in.little<std::uint32_t>();
  if (version != kFormatVersion) {
    return fail(ENOTSUP, fmt::format("{} has format version {} and this build knows only {}: use a matching ross", what,
                                     version, kFormatVersion));
  }
  Reader tail(bytes.substr(size - 4));
  if (tail.little<std::uint32_t>() != checksum(bytes.substr(0, size - 4))) {
    return fail(EIO, fmt::format("{} is damaged (checksum): restore it from a copy of the pool", what));
  }
  return in;
}

}  // namespace

std::string encode(const Superblock& superblock) {
  std::string out(kPoolMagic);
  append_little(out, kFormatVersion);
  append_uuid(out, superblock.uuid);
  append_little(out, superblock.created_ns);
  append_little(out, kBlockBytes);
  append_little(out, static_cast<std::uint32_t>(superblock.devices.size()));
  for (const SuperblockDevice& device : superblock.devices) {
    append_little(out, static_cast<std::uint8_t>(device.kind));
    append_little(out, static_cast<std::uint8_t>(device.owned));
    append_little(out, static_cast<std::uint16_t>(device.path.size()));
    append_little(out, device.size_bytes);
    out.append(device.path);
  }
  return seal(std::move(out), kSuperblockBytes);
}

Result<Superblock> decode_superblock(std::string_view bytes) {
  constexpr std::string_view kWhat = "the pool's superblock";
  ROSS_TRY(Reader in, unseal(bytes, kSuperblockBytes, kPoolMagic, kWhat));
  Superblock superblock;
  superblock.uuid = read_uuid(in);
  superblock.created_ns = in.little<std::int64_t>();
  const auto block_bytes = in.little<std::uint32_t>();
  const auto devices = in.little<std::uint32_t>();
  bool good = in.ok() && block_bytes == kBlockBytes && devices >= 1 && devices <= kDevicesMax;
  for (std::uint32_t i = 0; good && i < devices; ++i) {
    SuperblockDevice device;
    const auto kind = in.little<std::uint8_t>();
    device.kind = static_cast<DeviceKind>(kind);
    device.owned = in.little<std::uint8_t>() != 0;
    const auto path_bytes = in.little<std::uint16_t>();
    device.size_bytes = in.little<std::uint64_t>();
    device.path = in.bytes(path_bytes);
    good = in.ok() && kind <= static_cast<std::uint8_t>(DeviceKind::kRam) && path_bytes <= kDevicePathBytesMax &&
           device.size_bytes % kBlockBytes == 0;
    superblock.devices.push_back(std::move(device));
  }
  if (!good) return fail(EIO, "the pool's superblock is damaged: restore it from a copy of the pool");
  return superblock;
}

std::string encode(const DeviceHeader& header) {
  std::string out(kDeviceMagic);
  append_little(out, kFormatVersion);
  append_uuid(out, header.uuid);
  append_little(out, header.index);
  append_little(out, header.size_bytes);
  return seal(std::move(out), kBlockBytes);
}

Result<DeviceHeader> decode_device_header(std::string_view bytes) {
  ROSS_TRY(Reader in, unseal(bytes, kBlockBytes, kDeviceMagic, "the device's header"));
  DeviceHeader header;
  header.uuid = read_uuid(in);
  header.index = in.little<std::uint32_t>();
  header.size_bytes = in.little<std::uint64_t>();
  return header;
}

}  // namespace ross::engine::format
