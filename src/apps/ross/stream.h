// Whole files as streams: out of a container piece by piece, and into one as a new object that appears whole.
//
// Threading: owner thread.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>

#include "apps/ross/session.h"

namespace ross::cli {

// Calls take(piece) with the file's bytes in order until it fails. EINTR after Ctrl-C.
Status read_out(Volume& volume, std::string_view path,
                const std::function<Status(std::span<const std::byte> piece)>& take);

struct WriteOptions {
  std::uint32_t mode = 0644;
  bool make_directories = false;  // those missing on the way
  bool exclusive = false;         // EEXIST if it is there
};
// Makes path from what give(buffer) fills in, 0 bytes being the end; replaces what is there once all is written.
// Durable when it returns. Bytes written. EINTR after Ctrl-C, and nothing has changed.
Result<std::uint64_t> write_in(Volume& volume, std::string_view path, const WriteOptions& options,
                               const std::function<Result<std::size_t>(std::span<std::byte> buffer)>& give);

// Makes a directory and those missing on the way to it. EEXIST if a part of the path is something else.
Status make_directories(Volume& volume, std::string_view path, std::uint32_t mode);

}  // namespace ross::cli
