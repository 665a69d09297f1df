// The kept log, to the byte: what a file of it begins with, and its records. kept/kept_log.h says what it is for.
//
// A record is the changes of one keep: keys of the store with their new values, or erased. What does not match its
// checksum ends the log: the process was killed while it wrote it, and nobody was told that it is kept.
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/format/records.h"

namespace ross::engine::format {

inline constexpr std::size_t kKeptHeaderBytes = 128;
inline constexpr std::size_t kBootIdBytesMax = 64;

struct KeptHeader {
  Uuid uuid{};
  std::uint64_t transaction = 0;  // the records are of this transaction, on top of the one before it
  std::uint32_t records_before =
      0;                // how many records the log of the transaction before has, when that is not in the store
  std::string boot_id;  // the log is worth something only while the machine runs on
};

std::string encode(const KeptHeader& header);  // kKeptHeaderBytes
// EIO for anything else.
Result<KeptHeader> decode_kept_header(std::string_view bytes);

// One record on its way into the log. Its memory is used again.
class KeptRecord {
 public:
  KeptRecord() { clear(); }
  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  [[nodiscard]] bool empty() const { return bytes_.size() == kHeadBytes; }
  [[nodiscard]] std::size_t size_bytes() const { return bytes_.size(); }
  // The record as it lies in the file.
  [[nodiscard]] std::string_view finish();
  void clear();

 private:
  static constexpr std::size_t kHeadBytes = 8;
  static constexpr std::size_t kMemoryKeptBytes = std::size_t{1} << 20;
  std::string bytes_;
};

// Takes the next record off `rest`: its changes; none at the end, or where the rest is damaged.
std::optional<std::string_view> take_kept_record(std::string_view& rest);
// Visits the changes of a record; false when they are damaged. No value: erased.
bool each_kept_change(std::string_view record,
                      const std::function<void(std::string_view key, std::optional<std::string_view> value)>& visit);

}  // namespace ross::engine::format
