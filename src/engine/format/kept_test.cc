// Goal: a record of the kept log is read as it was written or not at all. Method: round trips, every truncation, every changed byte.
#include "engine/format/kept.h"

#include <gtest/gtest.h>

#include <map>

namespace ross::engine::format {
namespace {

using Found = std::map<std::string, std::optional<std::string>>;

KeptHeader header_of() {
  KeptHeader header{.uuid = {}, .transaction = 77, .records_before = 5, .boot_id = "8d4f4f52-boot"};
  header.uuid[3] = 9;
  return header;
}

std::optional<Found> changes_of(std::string_view record) {
  Found found;
  const bool whole = each_kept_change(record, [&](std::string_view key, std::optional<std::string_view> value) {
    found[std::string(key)] = value ? std::optional(std::string(*value)) : std::nullopt;
  });
  return whole ? std::optional(found) : std::nullopt;
}

TEST(KeptTest, TheHeaderRoundTripsOrIsRefused) {
  const std::string bytes = encode(header_of());
  ASSERT_EQ(bytes.size(), kKeptHeaderBytes);
  const auto header = decode_kept_header(bytes + "more");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->uuid, header_of().uuid);
  EXPECT_EQ(header->transaction, 77U);
  EXPECT_EQ(header->records_before, 5U);
  EXPECT_EQ(header->boot_id, "8d4f4f52-boot");
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_kept_header(bytes.substr(0, size)));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string odd = bytes;
    odd[at] = static_cast<char>(odd[at] ^ 4);
    EXPECT_FALSE(decode_kept_header(odd)) << at;
  }
}

TEST(KeptTest, RecordsFollowEachOtherAndATornOneEndsTheLog) {
  KeptRecord record;
  EXPECT_TRUE(record.empty());
  record.put("key", "value");
  record.put("none", "");
  record.erase("gone");
  EXPECT_FALSE(record.empty());
  const std::string first(record.finish());
  record.clear();
  EXPECT_TRUE(record.empty());
  record.put("second", std::string(5000, 'x'));
  const std::string log = first + std::string(record.finish());

  std::string_view rest = log;
  const auto one = take_kept_record(rest);
  ASSERT_TRUE(one);
  EXPECT_EQ(changes_of(*one), (Found{{"key", "value"}, {"none", ""}, {"gone", std::nullopt}}));
  const auto two = take_kept_record(rest);
  ASSERT_TRUE(two);
  EXPECT_EQ(changes_of(*two), (Found{{"second", std::string(5000, 'x')}}));
  EXPECT_TRUE(rest.empty());
  EXPECT_FALSE(take_kept_record(rest));

  for (std::size_t size = 0; size < first.size(); ++size) {
    std::string_view torn = std::string_view(first).substr(0, size);
    EXPECT_FALSE(take_kept_record(torn)) << size;
  }
  for (std::size_t at = 4; at < first.size(); ++at) {
    std::string odd = first;
    odd[at] = static_cast<char>(odd[at] ^ 1);
    std::string_view damaged = odd;
    EXPECT_FALSE(take_kept_record(damaged)) << at;
  }
  std::string_view zeros("\0\0\0\0\0\0\0\0\0\0", 10);
  EXPECT_FALSE(take_kept_record(zeros));
}

TEST(KeptTest, ChangesThatDoNotFitAreDamaged) {
  KeptRecord record;
  record.put("key", "value");
  const std::string whole(record.finish().substr(8));
  EXPECT_TRUE(changes_of(whole));
  for (std::size_t size = 1; size < whole.size(); ++size) EXPECT_FALSE(changes_of(whole.substr(0, size))) << size;
  std::string odd = whole;
  odd[0] = 2;
  EXPECT_FALSE(changes_of(odd)) << "an unknown kind";
  EXPECT_FALSE(changes_of(std::string_view("\1\0\0\0\0\0\0\0\0", 9))) << "no key";
}

}  // namespace
}  // namespace ross::engine::format
