#include "faces/dfs/global_handle.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "base/checksum.h"

namespace ross::dfs {
namespace {

constexpr std::uint32_t kMagic = 0x52474c42;
constexpr std::uint16_t kHandleVersion = 1;

struct Header {
  std::uint32_t magic;
  std::uint16_t kind;
  std::uint16_t version;
  std::uint32_t payload_bytes;
  std::uint32_t payload_crc;
};
static_assert(sizeof(Header) == 16);

std::uint32_t checksum(std::string_view payload) { return crc32c(std::as_bytes(std::span(payload))); }

}  // namespace

void GlobalWriter::add(std::string_view text) {
  const auto size =
      static_cast<std::uint16_t>(std::min<std::size_t>(text.size(), std::numeric_limits<std::uint16_t>::max()));
  payload_.append(reinterpret_cast<const char*>(&size), sizeof size);
  payload_.append(text.substr(0, size));
}

void GlobalWriter::add(std::uint64_t number) { payload_.append(reinterpret_cast<const char*>(&number), sizeof number); }

Status GlobalWriter::store(d_iov_t* glob) const {
  if (glob == nullptr) return Status(EINVAL);
  const std::size_t needed = sizeof(Header) + payload_.size();
  const std::size_t room = std::exchange(glob->iov_buf_len, needed);
  if (glob->iov_buf == nullptr) return {};
  if (room < needed) return Status(ERANGE, "the buffer is too small for a global handle");
  const Header header{kMagic, static_cast<std::uint16_t>(kind_), kHandleVersion,
                      static_cast<std::uint32_t>(payload_.size()), checksum(payload_)};
  auto* to = static_cast<char*>(glob->iov_buf);
  std::memcpy(to, &header, sizeof header);
  std::memcpy(to + sizeof header, payload_.data(), payload_.size());
  glob->iov_len = needed;
  return {};
}

Result<GlobalReader> GlobalReader::open(const d_iov_t& glob, GlobalKind kind) {
  const std::size_t size = std::min(glob.iov_buf_len, glob.iov_len);
  Header header;
  if (glob.iov_buf == nullptr || size < sizeof header) return fail(EINVAL, "the global handle is too short");
  std::memcpy(&header, glob.iov_buf, sizeof header);
  const std::string_view payload(static_cast<const char*>(glob.iov_buf) + sizeof header, size - sizeof header);
  if (header.magic != kMagic || header.version != kHandleVersion || header.kind != static_cast<std::uint16_t>(kind) ||
      header.payload_bytes > payload.size()) {
    return fail(EINVAL, "the bytes are no global handle of this kind");
  }
  const std::string_view meant = payload.substr(0, header.payload_bytes);
  if (checksum(meant) != header.payload_crc) return fail(EINVAL, "the global handle is damaged");
  return GlobalReader(meant);
}

Result<std::string> GlobalReader::text() {
  std::uint16_t size = 0;
  if (left_.size() < sizeof size) return fail(EINVAL, "the global handle ends early");
  std::memcpy(&size, left_.data(), sizeof size);
  left_.remove_prefix(sizeof size);
  if (left_.size() < size) return fail(EINVAL, "the global handle ends early");
  std::string text(left_.substr(0, size));
  left_.remove_prefix(size);
  return text;
}

Result<std::uint64_t> GlobalReader::number() {
  std::uint64_t number = 0;
  if (left_.size() < sizeof number) return fail(EINVAL, "the global handle ends early");
  std::memcpy(&number, left_.data(), sizeof number);
  left_.remove_prefix(sizeof number);
  return number;
}

}  // namespace ross::dfs
