// Goal: no bytes that a client or a server sends crash a decoder of the wire or decode to more than they hold.
// Method: every input through every decoder. What is accepted keeps to the limits, points into the input, and gives the same bytes
// when it is encoded again, apart from fields that are reserved.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/translate.h"
#include "wire/message.h"

namespace {

using namespace ross::wire;
using Message = std::vector<std::byte>;

struct Input {
  std::span<const std::byte> bytes;
  [[nodiscard]] std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  void holds(std::string_view view) const {
    const std::string_view all = text();
    ROSS_CHECK(view.empty() || (view.data() >= all.data() && view.data() + view.size() <= all.data() + all.size()));
  }
  void is(const Message& again) const { ROSS_CHECK(std::ranges::equal(bytes, again)); }
};

// Of what was refused, for the sentence; else what it is.
template <class T>
bool accepted(const ross::Result<T>& result) {
  ROSS_CHECK(result.has_value() || !result.error().message().empty());
  return result.has_value();
}

void check_greetings(const Input& input) {
  if (const auto hello = decode_hello(input.bytes); accepted(hello)) {
    Message again;
    encode(*hello, again);
    input.is(again);
  }
  const auto welcomed = decode_welcome(input.bytes);
  if (!accepted(welcomed)) return;
  ROSS_CHECK(welcomed->sentence.size() <= kSentenceBytesMax && welcomed->welcome.error >= 0);
  input.holds(welcomed->sentence);
  Message again;
  encode(welcomed->welcome, welcomed->sentence, again);
  input.is(again);
}

void check_request(const Input& input) {
  const auto request = decode_request(input.bytes);
  if (!accepted(request)) return;
  ROSS_CHECK(request->op >= Op::kLookup && request->op <= Op::kLast);
  ROSS_CHECK(request->groups.size() <= kGroupsMax && request->windows.size() <= kWindowsMax);
  for (const std::string_view view : {request->name, request->name2, request->text}) input.holds(view);
  std::uint64_t total_bytes = 0;
  for (const WindowPart& window : request->windows) {
    input.holds(window.key);
    ROSS_CHECK(!window.key.empty() && window.size_bytes <= UINT64_MAX - window.offset_bytes);
    total_bytes += window.size_bytes;
  }
  ROSS_CHECK(total_bytes <= kPayloadBytesMax);
  Message again;
  encode(*request, again);
  input.is(again);
}

void check_reply(const Input& input) {
  const auto reply = decode_reply(input.bytes);
  if (!accepted(reply)) return;
  ROSS_CHECK(reply->error >= 0);
  input.holds(reply->text);
  Message again;
  encode(*reply, again);
  Message plain(input.bytes.begin(), input.bytes.end());
  std::fill_n(plain.begin() + offsetof(ReplyHeader, reserved), sizeof(ReplyHeader::reserved), std::byte{0});
  ROSS_CHECK(again == plain);
}

// A listing that came in a message is no longer than kTextBytesMax.
template <class Decode, class Append>
void check_listing(const Input& input, Decode&& decode, Append&& append_item) {
  if (input.bytes.size() > kTextBytesMax) return;
  const auto items = decode(input.text());
  if (!accepted(items)) return;
  std::string again;
  for (const auto& item : *items) ROSS_CHECK(append_item(item, again));
  ROSS_CHECK(again == input.text());
}

void check_listings(const Input& input) {
  check_listing(input, decode_entries, [&](const DirEntry& entry, std::string& listing) {
    input.holds(entry.name);
    ROSS_CHECK(!entry.name.empty() && entry.name.size() <= kNameBytesMax);
    return append(entry, listing);
  });
  check_listing(input, decode_containers, [&](const Container& container, std::string& listing) {
    input.holds(container.name);
    ROSS_CHECK(!container.name.empty() && container.name.size() <= kNameBytesMax);
    return append(container, listing);
  });
  check_listing(input, decode_names, [&](std::string_view name, std::string& listing) {
    input.holds(name);
    ROSS_CHECK(!name.empty() && name.size() <= kNameBytesMax);
    return append_name(name, listing);
  });
}

void check_pool_info(const Input& input) {
  if (input.bytes.size() > kTextBytesMax) return;
  const auto info = decode_pool_info(input.text());
  if (!accepted(info)) return;
  for (const std::string_view view : {info->uuid, info->failed}) input.holds(view);
  for (const Device& device : info->devices) {
    input.holds(device.path);
    ROSS_CHECK(device.kind <= 2);
  }
  ROSS_CHECK(encode(*info) == input.text());
}

void check_reach(const Input& input) {
  if (const auto landed = decode_landed(input.bytes); accepted(landed)) {
    Message again;
    encode(*landed, again);
    input.is(again);
  }
  if (input.bytes.size() > kTextBytesMax) return;
  const auto reach = decode_reach(input.text());
  if (!accepted(reach)) return;
  ROSS_CHECK(reach->ways.size() <= kWaysMax);
  input.holds(reach->machine);
  for (const Reach::Way& way : reach->ways) {
    input.holds(way.backend);
    input.holds(way.address);
  }
  ROSS_CHECK(encode(*reach) == input.text());
}

template <class Fixed>
void check_fixed(const Input& input) {
  const auto fixed = from_text<Fixed>(input.text());
  ROSS_CHECK(accepted(fixed) == (input.bytes.size() == sizeof(Fixed)));
  if (fixed.has_value()) ROSS_CHECK(as_text(*fixed) == input.text());
}

// What the words of the wire mean to a file system: what means something means the same on its way back.
void check_meaning(const Input& input) {
  if (const auto change = from_text<SetAttr>(input.text()); change.has_value()) {
    if (const auto meant = ross::client::from_wire(*change); accepted(meant)) {
      const auto again = ross::client::from_wire(ross::client::to_wire(*meant));
      ROSS_CHECK(again.has_value() && as_text(ross::client::to_wire(*again)) == as_text(ross::client::to_wire(*meant)));
    }
  }
  if (const auto lock = from_text<Lock>(input.text()); lock.has_value()) {
    if (const auto meant = ross::client::from_wire(*lock); accepted(meant)) {
      const Lock again = ross::client::to_wire(*meant);
      ROSS_CHECK(again.owner == lock->owner && again.begin == lock->begin && again.end == lock->end);
      ROSS_CHECK(again.pid == lock->pid && again.kind == lock->kind && again.flock == lock->flock);
    }
  }
  if (const auto request = decode_request(input.bytes); request.has_value()) {
    const auto flags = ross::client::open_flags_from_wire(request->a);
    ROSS_CHECK(!accepted(flags) || ross::client::to_wire(*flags) == request->a);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Message copy(reinterpret_cast<const std::byte*>(data), reinterpret_cast<const std::byte*>(data) + size);
  const Input input{copy};
  check_greetings(input);
  check_request(input);
  check_reply(input);
  check_listings(input);
  check_pool_info(input);
  check_reach(input);
  check_fixed<SetAttr>(input);
  check_fixed<Lock>(input);
  check_fixed<StatFs>(input);
  check_meaning(input);
  return 0;
}
