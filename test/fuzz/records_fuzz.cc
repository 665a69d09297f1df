// Goal: no value of the metadata store crashes its decoder or yields what a pool cannot have.
// Method: every input through every decoder; what is accepted is checked against the format's bounds and must come out
// the same when it is written and read again.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/format/client_records.h"
#include "engine/format/kept.h"
#include "engine/format/records.h"

namespace {

using namespace ross::engine::format;

template <class Decode>
void check_record(std::string_view input, Decode decode) {
  const auto record = decode(input);
  if (!record.has_value()) {
    ROSS_CHECK(!record.error().message().empty());
    return;
  }
  const std::string canonical = encode(*record);
  const auto again = decode(canonical);
  ROSS_CHECK(again.has_value() && encode(*again) == canonical);
}

bool same(const BlockRef& a, const BlockRef& b) { return a.address == b.address && a.crc == b.crc; }

void check_segment(std::string_view input) {
  const auto blocks = decode_segment(input);
  if (!blocks.has_value()) return;
  ROSS_CHECK(!blocks->empty() && blocks->size() <= kSegmentBlocks);
  for (const BlockRef& block : *blocks) {
    ROSS_CHECK(is_stored(block.address) || block.address <= kBad);
  }
  const auto again = decode_segment(encode_segment(*blocks));
  ROSS_CHECK(again.has_value() && std::equal(again->begin(), again->end(), blocks->begin(), blocks->end(), same));
}

void check_client_records(std::string_view input) {
  using ross::engine::ClientId;
  const ClientId id{1};
  if (const auto client = decode_client(client_key(id), input)) ROSS_CHECK(encode(*client) == input);
  if (const auto of = decode_remembered(remembered_key(id, 7), input)) ROSS_CHECK(encode(of->change) == input);
  // A key that is damaged, too.
  const std::string_view key = input.substr(0, std::min<std::size_t>(input.size(), 19));
  if (const auto of = decode_remembered(key, input.substr(key.size()))) {
    ROSS_CHECK(remembered_key(of->client, of->change.slot) == key);
  }
  static_cast<void>(decode_client(key, input.substr(key.size())));
  if (const auto number = decode_transaction(input)) ROSS_CHECK(input.size() == sizeof *number);
}

void check_kept(std::string_view input) {
  each_kept_change(input, [](std::string_view key, auto) { ROSS_CHECK(!key.empty()); });
  std::string_view rest = input;
  while (take_kept_record(rest)) ROSS_CHECK(rest.size() < input.size());
  if (const auto header = decode_kept_header(input)) ROSS_CHECK(decode_kept_header(encode(*header)).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  check_record(input, decode_pool);
  check_record(input, decode_container);
  check_record(input, decode_inode);
  check_record(input, decode_entry);
  check_segment(input);
  check_client_records(input);
  check_kept(input);
  return 0;
}
