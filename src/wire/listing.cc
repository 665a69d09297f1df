// Listings and other texts of changing length: item after item, each telling its own lengths.
#include "wire/bytes.h"
#include "wire/message.h"

namespace ross::wire {
namespace {

constexpr std::size_t kPathBytesMax = 4096;
constexpr std::size_t kAddressBytesMax = 1024;  // of a fabric
constexpr std::size_t kMessageBytesMax = 4096;

std::unexpected<Status> bad() { return fail(EBADMSG, "a listing whose items do not add up to its length"); }

// Appends what write makes, or takes it back where the listing would be too long.
template <class Write>
bool append_bounded(std::string& listing, Write&& write) {
  const std::size_t before = listing.size();
  write();
  if (listing.size() <= kTextBytesMax) return true;
  listing.resize(before);
  return false;
}

}  // namespace

bool append(const DirEntry& entry, std::string& listing) {
  return append_bounded(listing, [&] {
    put(listing, entry.node);
    put(listing, entry.cursor);
    put(listing, entry.type);
    put(listing, static_cast<std::uint8_t>(entry.has_attr));
    if (entry.has_attr) put(listing, entry.attr);
    put_short(listing, entry.name);
  });
}

Result<std::vector<DirEntry>> decode_entries(std::string_view listing) {
  std::vector<DirEntry> entries;
  Taker taker(listing);
  while (!taker.empty()) {
    DirEntry entry;
    entry.node = taker.take<std::uint64_t>();
    entry.cursor = taker.take<std::uint64_t>();
    entry.type = taker.take<std::uint32_t>();
    const auto has_attr = taker.take<std::uint8_t>();
    entry.has_attr = has_attr == 1;
    if (entry.has_attr) entry.attr = taker.take<Attr>();
    entry.name = taker.take_short(kNameBytesMax);
    if (!taker.ok() || has_attr > 1 || entry.name.empty() || entries.size() == kEntriesMax) return bad();
    entries.push_back(entry);
  }
  return entries;
}

bool append(const Container& container, std::string& listing) {
  return append_bounded(listing, [&] {
    put(listing, container.quota_bytes);
    put(listing, container.quota_nodes);
    put(listing, container.used_bytes);
    put(listing, container.used_nodes);
    put(listing, container.created_ns);
    put_short(listing, container.name);
  });
}

Result<std::vector<Container>> decode_containers(std::string_view listing) {
  std::vector<Container> containers;
  Taker taker(listing);
  while (!taker.empty()) {
    Container container;
    container.quota_bytes = taker.take<std::uint64_t>();
    container.quota_nodes = taker.take<std::uint64_t>();
    container.used_bytes = taker.take<std::uint64_t>();
    container.used_nodes = taker.take<std::uint64_t>();
    container.created_ns = taker.take<std::int64_t>();
    container.name = taker.take_short(kNameBytesMax);
    if (!taker.ok() || container.name.empty()) return bad();
    containers.push_back(container);
  }
  return containers;
}

bool append_name(std::string_view name, std::string& listing) {
  return append_bounded(listing, [&] { put_short(listing, name); });
}

Result<std::vector<std::string_view>> decode_names(std::string_view listing) {
  std::vector<std::string_view> names;
  Taker taker(listing);
  while (!taker.empty()) {
    names.push_back(taker.take_short(kNameBytesMax));
    if (!taker.ok() || names.back().empty()) return bad();
  }
  return names;
}

std::string encode(const PoolInfo& info) {
  std::string text;
  put_short(text, info.uuid.substr(0, kNameBytesMax));
  put(text, info.format_version);
  put(text, info.total_bytes);
  put(text, info.free_bytes);
  put(text, info.containers);
  put_short(text, info.failed.substr(0, kMessageBytesMax));
  for (const Device& device : info.devices) {
    const bool fits = append_bounded(text, [&] {
      put(text, device.kind);
      put(text, device.size_bytes);
      put(text, device.free_bytes);
      put_short(text, device.path.substr(0, kPathBytesMax));
    });
    if (!fits) break;
  }
  return text;
}

Result<PoolInfo> decode_pool_info(std::string_view text) {
  PoolInfo info;
  Taker taker(text);
  info.uuid = taker.take_short(kNameBytesMax);
  info.format_version = taker.take<std::uint32_t>();
  info.total_bytes = taker.take<std::uint64_t>();
  info.free_bytes = taker.take<std::uint64_t>();
  info.containers = taker.take<std::uint64_t>();
  info.failed = taker.take_short(kMessageBytesMax);
  if (!taker.ok()) return bad();
  while (!taker.empty()) {
    Device device;
    device.kind = taker.take<std::uint8_t>();
    device.size_bytes = taker.take<std::uint64_t>();
    device.free_bytes = taker.take<std::uint64_t>();
    device.path = taker.take_short(kPathBytesMax);
    if (!taker.ok() || device.kind > 2) return bad();
    info.devices.push_back(device);
  }
  return info;
}

std::string encode(const Reach& reach) {
  std::string text;
  put(text, reach.token);
  put_short(text, reach.machine.substr(0, kNameBytesMax));
  for (const Reach::Way& way : reach.ways) {
    put(text, static_cast<std::uint8_t>(way.same_machine_only));
    put_short(text, way.backend.substr(0, kNameBytesMax));
    put_short(text, way.address.substr(0, kAddressBytesMax));
  }
  return text;
}

Result<Reach> decode_reach(std::string_view text) {
  Reach reach;
  Taker taker(text);
  reach.token = taker.take<Token>();
  reach.machine = taker.take_short(kNameBytesMax);
  if (!taker.ok()) return bad();
  while (!taker.empty()) {
    Reach::Way& way = reach.ways.emplace_back();
    const auto same_machine_only = taker.take<std::uint8_t>();
    way.same_machine_only = same_machine_only == 1;
    way.backend = taker.take_short(kNameBytesMax);
    way.address = taker.take_short(kAddressBytesMax);
    if (!taker.ok() || same_machine_only > 1 || reach.ways.size() > kWaysMax) return bad();
  }
  return reach;
}

}  // namespace ross::wire
