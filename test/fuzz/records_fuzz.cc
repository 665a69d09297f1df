// Goal: no value of the metadata store crashes its decoder or yields what a pool cannot have.
// Method: every input through every decoder; what is accepted is checked against the format's bounds and must come out
// the same when it is written and read again.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  check_record(input, decode_pool);
  check_record(input, decode_container);
  check_record(input, decode_inode);
  check_record(input, decode_entry);
  check_segment(input);
  return 0;
}
