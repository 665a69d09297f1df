#include "engine/format/client_records.h"

#include <fmt/format.h>

#include <cstring>

namespace ross::engine::format {
namespace {

constexpr std::uint8_t kCreated = 1;
constexpr std::uint8_t kHasAttr = 2;

std::unexpected<Status> damaged_record(std::string_view what) {
  return fail(EIO, fmt::format("the metadata store holds a damaged {} record: run ross fsck on the pool", what));
}

bool take_kind(Reader& in, KeyKind kind) { return in.bytes(1) == key_of(kind); }

ClientId take_id(Reader& in) {
  ClientId id{};
  const std::string_view bytes = in.bytes(id.size());
  if (in.ok()) std::memcpy(id.data(), bytes.data(), id.size());
  return id;
}

void append(std::string& out, const fs::Attr& attr) {
  append_little(out, attr.node.value);
  append_little(out, attr.mode);
  append_little(out, attr.links);
  append_little(out, std::uint32_t{attr.uid});
  append_little(out, std::uint32_t{attr.gid});
  append_little(out, attr.rdev);
  append_little(out, attr.size_bytes);
  append_little(out, attr.allocated_bytes);
  append_little(out, attr.atime_ns);
  append_little(out, attr.mtime_ns);
  append_little(out, attr.ctime_ns);
  append_little(out, attr.btime_ns);
}

fs::Attr take_attr(Reader& in) {
  fs::Attr attr;
  attr.node = fs::NodeId(in.little<std::uint64_t>());
  attr.mode = in.little<std::uint32_t>();
  attr.links = in.little<std::uint32_t>();
  attr.uid = in.little<std::uint32_t>();
  attr.gid = in.little<std::uint32_t>();
  attr.rdev = in.little<std::uint64_t>();
  attr.size_bytes = in.little<std::uint64_t>();
  attr.allocated_bytes = in.little<std::uint64_t>();
  attr.atime_ns = in.little<std::int64_t>();
  attr.mtime_ns = in.little<std::int64_t>();
  attr.ctime_ns = in.little<std::int64_t>();
  attr.btime_ns = in.little<std::int64_t>();
  return attr;
}

}  // namespace

std::string encode(const ClientRecord& client) {
  std::string out;
  append_little(out, client.uid);
  append_little(out, client.gid);
  for (const std::uint32_t group : client.groups) append_little(out, group);
  return out;
}

Result<ClientRecord> decode_client(std::string_view key, std::string_view value) {
  Reader name(key);
  ClientRecord client;
  const bool right_kind = take_kind(name, KeyKind::kClient);
  client.id = take_id(name);
  Reader in(value);
  client.uid = in.little<std::uint32_t>();
  client.gid = in.little<std::uint32_t>();
  const std::size_t group_bytes = in.ok() ? value.size() - 2 * sizeof(std::uint32_t) : 0;
  if (group_bytes % sizeof(std::uint32_t) != 0 || group_bytes / sizeof(std::uint32_t) > kClientGroupsMax) {
    return damaged_record("client");
  }
  for (std::size_t i = 0; i < group_bytes / sizeof(std::uint32_t); ++i) {
    client.groups.push_back(in.little<std::uint32_t>());
  }
  if (!right_kind || !name.done() || !in.done() || client.id == ClientId{}) return damaged_record("client");
  return client;
}

std::string encode(const RememberedChange& change) {
  std::string out;
  out.reserve(97);
  append_little(out, change.sequence);
  append_little(out, change.value);
  append_little(out, static_cast<std::uint8_t>((change.created ? kCreated : 0) | (change.attr ? kHasAttr : 0)));
  if (change.attr) append(out, *change.attr);
  return out;
}

Result<RememberedOf> decode_remembered(std::string_view key, std::string_view value) {
  Reader name(key);
  RememberedOf of;
  const bool right_kind = take_kind(name, KeyKind::kRemembered);
  of.client = take_id(name);
  of.change.slot = name.big<std::uint16_t>();
  Reader in(value);
  of.change.sequence = in.little<std::uint64_t>();
  of.change.value = in.little<std::uint64_t>();
  const auto flags = in.little<std::uint8_t>();
  of.change.created = (flags & kCreated) != 0;
  if ((flags & kHasAttr) != 0) of.change.attr = take_attr(in);
  if (!right_kind || !name.done() || !in.done() || (flags & ~(kCreated | kHasAttr)) != 0)
    return damaged_record("change");
  return of;
}

}  // namespace ross::engine::format
