// GlobalHandle: handles as bytes that another process turns back into handles of its own.
//
// Layout, little endian: magic u32, kind u16, version u16, payload size u32, CRC32C of the payload u32, payload: strings
// (u16 size, bytes) and u64 numbers in the order written. Bytes from outside are checked before they are believed.
//
//   GlobalWriter writer(GlobalKind::kPool); writer.add(name);    return writer.store(glob);
//   ROSS_TRY(GlobalReader reader, GlobalReader::open(glob, GlobalKind::kPool)); ROSS_TRY(auto name, reader.text());
//
// Threading: owner thread.
#pragma once

#include <gurt/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::dfs {

enum class GlobalKind : std::uint16_t { kPool = 1, kContainer, kMount, kMountAll, kObject };

class GlobalWriter {
 public:
  explicit GlobalWriter(GlobalKind kind) : kind_(kind) {}
  void add(std::string_view text);
  void add(std::uint64_t number);
  // Fills glob. With a null buffer only iov_buf_len, with the size needed; ERANGE for a buffer that is too small.
  Status store(d_iov_t* glob) const;

 private:
  const GlobalKind kind_;
  std::string payload_;
};

class GlobalReader {
 public:
  // EINVAL for bytes that no process of ours wrote, or wrote for something else.
  static Result<GlobalReader> open(const d_iov_t& glob, GlobalKind kind);
  Result<std::string> text();
  Result<std::uint64_t> number();

 private:
  explicit GlobalReader(std::string_view payload) : left_(payload) {}
  std::string_view left_;  // borrows glob's buffer
};

}  // namespace ross::dfs
