// Goal and method as in records_test.cc: round trips, every truncation and extension, and values that are out of bounds.
#include "engine/format/client_records.h"

#include <gtest/gtest.h>

namespace ross::engine::format {
namespace {

const ClientId kId{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

ClientRecord client_record() { return {.id = kId, .uid = 1000, .gid = 1001, .groups = {7, 8, 9}}; }

RememberedChange change_record() {
  fs::Attr attr;
  attr.node = fs::NodeId(11);
  attr.mode = 12;
  attr.links = 13;
  attr.uid = 14;
  attr.gid = 15;
  attr.rdev = 16;
  attr.size_bytes = 17;
  attr.allocated_bytes = 18;
  attr.atime_ns = -19;
  attr.mtime_ns = 20;
  attr.ctime_ns = 21;
  attr.btime_ns = 22;
  return {.slot = 0x1234, .sequence = UINT64_MAX, .value = 11, .attr = attr, .created = true};
}

TEST(ClientRecordsTest, RoundTrips) {
  const auto client = decode_client(client_key(kId), encode(client_record()));
  ASSERT_TRUE(client);
  EXPECT_EQ(client->id, kId);
  EXPECT_EQ(client->uid, 1000U);
  EXPECT_EQ(client->gid, 1001U);
  EXPECT_EQ(client->groups, client_record().groups);

  const std::string key = remembered_key(kId, 0x1234);
  EXPECT_EQ(key.size(), 19U);
  EXPECT_TRUE(key.starts_with(remembered_prefix(kId)));
  EXPECT_LT(key, remembered_key(kId, 0x1300)) << "slots sort by number";
  const std::string value = encode(change_record());
  EXPECT_EQ(value.size(), 97U);
  const auto of = decode_remembered(key, value);
  ASSERT_TRUE(of);
  EXPECT_EQ(of->client, kId);
  EXPECT_EQ(of->change.slot, 0x1234);
  EXPECT_EQ(of->change.sequence, UINT64_MAX);
  EXPECT_EQ(of->change.value, 11U);
  EXPECT_TRUE(of->change.created);
  ASSERT_TRUE(of->change.attr);
  EXPECT_EQ(of->change.attr->atime_ns, -19);
  EXPECT_EQ(encode(of->change), value);

  const RememberedChange bare{.slot = 0, .sequence = 1, .value = 2, .attr = {}, .created = false};
  const auto again = decode_remembered(remembered_key(kId, 0), encode(bare));
  ASSERT_TRUE(again);
  EXPECT_FALSE(again->change.attr);
  EXPECT_FALSE(again->change.created);
}

TEST(ClientRecordsTest, WhatIsCutOrLongerIsDamaged) {
  const std::string value = encode(change_record());
  const std::string key = remembered_key(kId, 1);
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_FALSE(decode_remembered(key, value.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_remembered(key, value + '\0'));
  for (std::size_t size = 0; size < key.size(); ++size) {
    EXPECT_FALSE(decode_remembered(key.substr(0, size), value)) << size;
  }
  EXPECT_FALSE(decode_remembered(key + '\0', value));
  EXPECT_FALSE(decode_remembered(client_key(kId), value));
  std::string odd = value;
  odd[16] = 4;
  EXPECT_FALSE(decode_remembered(key, odd)) << "an unknown flag";

  const std::string client = encode(client_record());
  for (std::size_t size = 0; size < client.size(); ++size) {
    const bool whole_groups = size >= 8 && size % 4 == 0;
    EXPECT_EQ(decode_client(client_key(kId), client.substr(0, size)).has_value(), whole_groups) << size;
  }
  EXPECT_FALSE(decode_client(client_key(ClientId{}), client));
  EXPECT_FALSE(decode_client(client_key(kId).substr(0, 16), client));
  EXPECT_FALSE(decode_client(key, client));
  ClientRecord crowd = client_record();
  crowd.groups.resize(kClientGroupsMax);
  EXPECT_TRUE(decode_client(client_key(kId), encode(crowd)));
  crowd.groups.resize(kClientGroupsMax + 1);
  EXPECT_FALSE(decode_client(client_key(kId), encode(crowd)));
}

}  // namespace
}  // namespace ross::engine::format
