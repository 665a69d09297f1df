#include "engine/format/kept.h"

#include <cstring>

#include "base/checksum.h"

namespace ross::engine::format {
namespace {

constexpr std::string_view kMagic = "ROSSKEPT";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint8_t kErase = 0;
constexpr std::uint8_t kPut = 1;

std::uint32_t kept_checksum(std::string_view bytes) {
  return crc32c({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

std::string_view take_sized(Reader& in) { return in.bytes(in.little<std::uint32_t>()); }

}  // namespace

std::string encode(const KeptHeader& header) {
  std::string out(kMagic);
  append_little(out, kVersion);
  out.append(reinterpret_cast<const char*>(header.uuid.data()), header.uuid.size());
  append_little(out, header.transaction);
  append_little(out, header.records_before);
  append_little(out, static_cast<std::uint8_t>(header.boot_id.size()));
  out.append(header.boot_id);
  out.resize(kKeptHeaderBytes - sizeof(std::uint32_t), '\0');
  append_little(out, kept_checksum(out));
  return out;
}

Result<KeptHeader> decode_kept_header(std::string_view bytes) {
  const auto damaged = [] { return fail(EIO, "the kept log has no header"); };
  if (bytes.size() < kKeptHeaderBytes) return damaged();
  const std::string_view body = bytes.substr(0, kKeptHeaderBytes - sizeof(std::uint32_t));
  Reader sum(bytes.substr(body.size(), sizeof(std::uint32_t)));
  if (sum.little<std::uint32_t>() != kept_checksum(body)) return damaged();
  Reader in(body);
  if (in.bytes(kMagic.size()) != kMagic || in.little<std::uint32_t>() != kVersion) return damaged();
  KeptHeader header;
  const std::string_view uuid = in.bytes(header.uuid.size());
  if (in.ok()) std::memcpy(header.uuid.data(), uuid.data(), uuid.size());
  header.transaction = in.little<std::uint64_t>();
  header.records_before = in.little<std::uint32_t>();
  const auto boot_bytes = in.little<std::uint8_t>();
  header.boot_id = in.bytes(boot_bytes);
  if (!in.ok() || header.boot_id.empty() || boot_bytes > kBootIdBytesMax) return damaged();
  return header;
}

void KeptRecord::put(std::string_view key, std::string_view value) {
  append_little(bytes_, kPut);
  append_little(bytes_, static_cast<std::uint32_t>(key.size()));
  bytes_.append(key);
  append_little(bytes_, static_cast<std::uint32_t>(value.size()));
  bytes_.append(value);
}

void KeptRecord::erase(std::string_view key) {
  append_little(bytes_, kErase);
  append_little(bytes_, static_cast<std::uint32_t>(key.size()));
  bytes_.append(key);
}

std::string_view KeptRecord::finish() {
  const std::string_view changes = std::string_view(bytes_).substr(kHeadBytes);
  std::string head;
  append_little(head, static_cast<std::uint32_t>(changes.size()));
  append_little(head, kept_checksum(changes));
  bytes_.replace(0, kHeadBytes, head);
  return bytes_;
}

void KeptRecord::clear() {
  bytes_.assign(kHeadBytes, '\0');
  if (bytes_.capacity() > kMemoryKeptBytes) bytes_.shrink_to_fit();
}

std::optional<std::string_view> take_kept_record(std::string_view& rest) {
  Reader in(rest);
  const auto size = in.little<std::uint32_t>();
  const auto expected = in.little<std::uint32_t>();
  const std::string_view changes = in.bytes(size);
  if (!in.ok() || size == 0 || kept_checksum(changes) != expected) return std::nullopt;
  rest = in.rest();
  return changes;
}

bool each_kept_change(std::string_view record,
                      const std::function<void(std::string_view key, std::optional<std::string_view> value)>& visit) {
  Reader in(record);
  while (!in.done()) {
    const auto kind = in.little<std::uint8_t>();
    const std::string_view key = take_sized(in);
    std::optional<std::string_view> value;
    if (kind == kPut) value = take_sized(in);
    if (!in.ok() || kind > kPut || key.empty()) return false;
    visit(key, value);
  }
  return true;
}

}  // namespace ross::engine::format
