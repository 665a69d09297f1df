// Goal: what is encoded comes back, and no bytes from outside, however made, are read past their end or taken for more
// than they are.
// Method: round trips; every truncation and extension of good messages; random bytes and random damage, judged by
// what a decoded message then claims (the sanitizers judge the reading).
#include "wire/message.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"

namespace ross::wire {
namespace {

Request sample() {
  static const std::string name2(255, 'n');
  static const std::string text(kTextBytesMax, 't');
  return {.id = 7,
          .op = Op::kRename,
          .container = 3,
          .node = 1,
          .other = 2,
          .file = 9,
          .a = 10,
          .b = UINT64_MAX,
          .mode = 0644,
          .uid = 1000,
          .gid = 1001,
          .groups = {1, 2, 3},
          .name = "old",
          .name2 = name2,
          .text = text};
}

std::vector<std::byte> bytes_of(const auto& message) {
  std::vector<std::byte> bytes;
  encode(message, bytes);
  return bytes;
}

TEST(Message, RequestsComeBack) {
  const auto bytes = bytes_of(sample());
  EXPECT_LE(bytes.size(), kHeadBytesMax);
  const auto again = decode_request(bytes);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->id, 7U);
  EXPECT_EQ(again->op, Op::kRename);
  EXPECT_EQ(again->groups, sample().groups);
  EXPECT_EQ(again->name, "old");
  EXPECT_EQ(again->name2, sample().name2);
  EXPECT_EQ(again->text, sample().text);
  EXPECT_EQ(again->b, UINT64_MAX);
  EXPECT_EQ(bytes_of(*again), bytes);
}

TEST(Message, TheLargestRequestFitsAHead) {
  Request request = sample();
  request.groups.assign(kGroupsMax, 1);
  request.name = request.name2;
  EXPECT_LE(bytes_of(request).size(), kHeadBytesMax);
}

Request windowed(Op op) {
  static const std::string key(kWindowKeyBytesMax, 'k');
  return {.id = 3,
          .op = op,
          .file = 4,
          .b = op == Op::kRead ? 4097U : 0U,
          .windows = {{.offset_bytes = UINT64_MAX - 4096, .size_bytes = 4096, .key = "a"},
                      {.offset_bytes = 0, .size_bytes = 1, .key = key}}};
}

TEST(Message, WindowsComeBack) {
  for (const Op op : {Op::kRead, Op::kWrite}) {
    const auto bytes = bytes_of(windowed(op));
    const auto again = decode_request(bytes);
    ASSERT_TRUE(again.has_value());
    ASSERT_EQ(again->windows.size(), 2U);
    EXPECT_EQ(again->windows[0].offset_bytes, UINT64_MAX - 4096);
    EXPECT_EQ(again->windows[0].size_bytes, 4096U);
    EXPECT_EQ(again->windows[0].key, "a");
    EXPECT_EQ(again->windows[1].key.size(), kWindowKeyBytesMax);
    EXPECT_EQ(bytes_of(*again), bytes);
    // The other way of encoding them.
    Request bare = windowed(op);
    bare.windows.clear();
    auto added = bytes_of(bare);
    for (const WindowPart& window : again->windows) add_window(window, added);
    EXPECT_EQ(added, bytes);
  }
}

TEST(Message, WindowsThatMakeNoSenseAreRefused) {
  const auto good = bytes_of(windowed(Op::kWrite));
  const auto with = [&good](std::size_t at, auto value) {
    auto bytes = good;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return decode_request(bytes).has_value();
  };
  constexpr std::size_t kFirst = sizeof(RequestHeader);
  EXPECT_TRUE(with(kFirst + offsetof(WindowHeader, size_bytes), std::uint32_t{4000}));
  EXPECT_FALSE(with(kFirst + offsetof(WindowHeader, size_bytes), std::uint32_t{0}));
  EXPECT_FALSE(with(kFirst + offsetof(WindowHeader, size_bytes), std::uint32_t{4097})) << "wraps around";
  EXPECT_FALSE(with(kFirst + offsetof(WindowHeader, size_bytes), kPayloadBytesMax)) << "too much in all";
  EXPECT_FALSE(with(kFirst + offsetof(WindowHeader, key_bytes), std::uint16_t{0}));
  EXPECT_FALSE(with(kFirst + offsetof(WindowHeader, key_bytes), UINT16_MAX));
  EXPECT_FALSE(with(kFirst + offsetof(WindowHeader, reserved), std::uint16_t{1}));
  for (const std::uint16_t count :
       {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{3}, std::uint16_t{kWindowsMax + 1}}) {
    EXPECT_FALSE(with(offsetof(RequestHeader, windows), count)) << count;
  }
  EXPECT_FALSE(with(offsetof(RequestHeader, op), static_cast<std::uint16_t>(Op::kGetattr)));
  EXPECT_FALSE(with(offsetof(RequestHeader, op), static_cast<std::uint16_t>(Op::kRead))) << "b says another size";
}

TEST(Message, AChannelIsNamedAfterwards) {
  Request request = windowed(Op::kRead);
  std::vector<std::byte> bytes = bytes_of(request);
  set_channel(0x1234567890abcdef, 42, bytes);
  const auto again = decode_request(bytes);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->node, 0x1234567890abcdefU);
  EXPECT_EQ(again->other, 42U);
  request.node = again->node;
  request.other = again->other;
  EXPECT_EQ(bytes_of(request), bytes);
}

TEST(Message, TheWordThatDataHasLandedComesBackAndNothingElseIsOne) {
  std::vector<std::byte> bytes;
  encode(Landed{.ticket = 7}, bytes);
  EXPECT_EQ(decode_landed(bytes)->ticket, 7U);
  EXPECT_FALSE(decode_landed(std::span(bytes).first(7)).has_value());
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode_landed(bytes).has_value());
  bytes.assign(sizeof(Landed), std::byte{0});
  EXPECT_FALSE(decode_landed(bytes).has_value());
}

TEST(Message, WaysComeBackAndNoMoreThanTheirBound) {
  Reach reach{.token = {1, 2, 3}, .machine = "m", .ways = {}};
  reach.ways.push_back({.backend = "tcp", .address = "10.0.0.7:1", .same_machine_only = false});
  reach.ways.push_back({.backend = "shm", .address = "/run/s", .same_machine_only = true});
  const std::string text = encode(reach);
  const auto again = decode_reach(text);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->token, reach.token);
  ASSERT_EQ(again->ways.size(), 2U);
  EXPECT_EQ(again->ways[1].address, "/run/s");
  EXPECT_TRUE(again->ways[1].same_machine_only);
  EXPECT_EQ(encode(*again), text);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto part = decode_reach(text.substr(0, i));
    EXPECT_TRUE(!part.has_value() || part->ways.size() < 2) << i;
  }
  reach.ways.assign(kWaysMax + 1, reach.ways[0]);
  EXPECT_FALSE(decode_reach(encode(reach)).has_value());
}

TEST(Message, TheLargestRequestWithWindowsFitsAHead) {
  Request request = sample();
  request.op = Op::kWrite;
  request.groups.assign(kGroupsMax, 1);
  request.name = request.name2;
  request.windows.assign(kWindowsMax, windowed(Op::kWrite).windows.back());
  EXPECT_LE(bytes_of(request).size(), kHeadBytesMax);
}

TEST(Message, RepliesComeBack) {
  Reply reply{.id = 1, .error = 0, .retry = 2, .created = true, .has_attr = true, .attr = {}, .value = 5, .text = "x"};
  reply.attr.size_bytes = 99;
  const auto bytes = bytes_of(reply);
  const auto again = decode_reply(bytes);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->attr.size_bytes, 99U);
  EXPECT_TRUE(again->created);
  EXPECT_EQ(again->text, "x");
  EXPECT_EQ(bytes_of(*again), bytes);
}

TEST(Message, EveryOtherLengthIsRefused) {
  Request request = sample();
  request.text = "short";
  const auto good = bytes_of(request);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(decode_request(std::span(good).first(size)).has_value()) << size;
  }
  auto longer = good;
  longer.push_back({});
  EXPECT_EQ(decode_request(longer).error().error(), EBADMSG);

  const auto reply = bytes_of(Reply{.id = 1, .error = ENOENT, .has_attr = true, .text = "no such thing"});
  for (std::size_t size = 0; size < reply.size(); ++size) {
    EXPECT_FALSE(decode_reply(std::span(reply).first(size)).has_value()) << size;
  }
}

TEST(Message, FieldsOutOfRangeAreRefused) {
  const auto good = bytes_of(sample());
  const auto with = [&good](std::size_t at, auto value) {
    auto bytes = good;
    std::memcpy(bytes.data() + at, &value, sizeof value);
    return decode_request(bytes).has_value();
  };
  EXPECT_TRUE(with(offsetof(RequestHeader, op), std::uint16_t{1}));
  EXPECT_FALSE(with(offsetof(RequestHeader, op), std::uint16_t{0}));
  EXPECT_FALSE(with(offsetof(RequestHeader, op), std::uint16_t{static_cast<std::uint16_t>(Op::kLast) + 1}));
  EXPECT_FALSE(with(offsetof(RequestHeader, name_bytes), std::uint16_t{256}));
  EXPECT_FALSE(with(offsetof(RequestHeader, groups), std::uint16_t{UINT16_MAX}));
  EXPECT_FALSE(with(offsetof(RequestHeader, text_bytes), std::uint32_t{UINT32_MAX}));
  EXPECT_TRUE(with(offsetof(RequestHeader, slot), kSlotsMax));
  EXPECT_FALSE(with(offsetof(RequestHeader, slot), static_cast<std::uint16_t>(kSlotsMax + 1)));
}

TEST(Message, ListingsComeBackAndStopAtTheirBound) {
  std::string listing;
  std::size_t count = 0;
  std::string name(200, 'x');
  DirEntry entry{.name = name, .node = 1, .cursor = 2, .type = 3, .has_attr = true, .attr = {}};
  while (append(entry, listing)) ++count;
  EXPECT_GT(count, 100U);
  EXPECT_LE(listing.size(), kTextBytesMax);
  const auto entries = decode_entries(listing);
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ(entries->size(), count);
  EXPECT_EQ(entries->back().name, name);
  for (std::size_t cut = 1; cut < 300; ++cut) {
    const auto partly = decode_entries(std::string_view(listing).substr(0, listing.size() - cut));
    EXPECT_TRUE(!partly.has_value() || partly->size() < count);
  }

  std::string containers;
  ASSERT_TRUE(append(Container{.name = "c", .quota_bytes = 1, .created_ns = -5}, containers));
  EXPECT_EQ(decode_containers(containers)->front().created_ns, -5);
  EXPECT_FALSE(decode_containers(containers + "x").has_value());

  std::string names;
  ASSERT_TRUE(append_name("user.a", names));
  ASSERT_TRUE(append_name("user.b", names));
  EXPECT_EQ(decode_names(names)->size(), 2U);

  PoolInfo info{.uuid = "u", .format_version = 1, .failed = "why", .devices = {{.kind = 2, .path = "/dev/x"}}};
  EXPECT_EQ(decode_pool_info(encode(info))->devices.at(0).path, "/dev/x");
  EXPECT_FALSE(decode_pool_info(std::string_view(encode(info)).substr(0, 10)).has_value());
}

// Whatever was accepted keeps to the limits and lies inside the bytes it came from.
void judge(std::span<const std::byte> bytes) {
  const auto inside = [&](std::string_view view) {
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    return view.empty() || (view.data() >= begin && view.data() + view.size() <= begin + bytes.size());
  };
  if (const auto request = decode_request(bytes); request.has_value()) {
    EXPECT_LE(request->groups.size(), kGroupsMax);
    EXPECT_TRUE(inside(request->name) && inside(request->name2) && inside(request->text));
    EXPECT_LE(request->windows.size(), kWindowsMax);
    std::uint64_t total_bytes = 0;
    for (const WindowPart& window : request->windows) {
      EXPECT_TRUE(inside(window.key) && !window.key.empty() && window.key.size() <= kWindowKeyBytesMax);
      EXPECT_LE(window.offset_bytes, UINT64_MAX - window.size_bytes);
      total_bytes += window.size_bytes;
    }
    EXPECT_LE(total_bytes, kPayloadBytesMax);
  }
  if (const auto reply = decode_reply(bytes); reply.has_value()) {
    EXPECT_TRUE(inside(reply->text));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const auto entries = decode_entries(text); entries.has_value()) {
    for (const auto& entry : *entries) EXPECT_TRUE(inside(entry.name));
  }
  static_cast<void>(decode_containers(text));
  static_cast<void>(decode_names(text));
  static_cast<void>(decode_pool_info(text));
  static_cast<void>(from_text<SetAttr>(text));
}

TEST(Message, SurvivesRandomBytesAndRandomDamage) {
  Random random(20261123);
  Request small = sample();
  small.text = "text";
  small.name2 = "n2";
  const auto good = bytes_of(small);
  const auto windows = bytes_of(windowed(Op::kRead));
  std::string listing;
  append(DirEntry{.name = "abc", .has_attr = true}, listing);
  append(DirEntry{.name = "defg"}, listing);
  for (int round = 0; round < 60'000; ++round) {
    std::vector<std::byte> bytes;
    switch (random.below(4)) {
      case 0:
        bytes.resize(random.below(200));
        for (auto& byte : bytes)
          byte = static_cast<std::byte>(random.chance(1, 2) ? random.below(4) : random.below(256));
        break;
      case 1:
        bytes = good;
        break;
      case 2:
        bytes = windows;
        break;
      default:
        bytes.assign(reinterpret_cast<const std::byte*>(listing.data()),
                     reinterpret_cast<const std::byte*>(listing.data() + listing.size()));
    }
    for (std::uint64_t damage = random.below(6); damage > 0 && !bytes.empty(); --damage) {
      bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
    }
    if (random.chance(1, 4)) bytes.resize(random.below(bytes.size() + 8));
    judge(bytes);
  }
}

}  // namespace
}  // namespace ross::wire
