// A load on a container: so many calls in flight on each of so many threads, for so long.
//
//   Result<LoadResult> result = run_load(volume.fs, cred, directory, {.kind = LoadKind::kRandRead});
//
// Each job has a thread, a loop and a file of its own (metadata: a directory of its own) below the directory given.
// Reads are of what was written before, so the first load on a directory is a write.
// Threading: owner thread. Errors: the first of any call; EINTR after Ctrl-C.
#pragma once

#include <cstdint>
#include <string_view>

#include "apps/ross/bench/histogram.h"
#include "fs/file_system.h"

namespace ross::cli {

enum class LoadKind : std::uint8_t { kWrite, kRead, kRandRead, kRandWrite, kMetadata };
std::string_view load_word(LoadKind kind);

struct LoadOptions {
  LoadKind kind = LoadKind::kWrite;
  std::uint64_t block_bytes = 1 << 20;
  std::uint64_t file_bytes = 256 << 20;  // of each job
  unsigned depth = 16;                   // calls in flight of each job
  unsigned jobs = 1;
  double seconds_max = 5;  // kWrite stops at the end of the file if that comes first
};

struct LoadResult {
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;  // the final sync of what was written included
  Histogram latency;
};

Result<LoadResult> run_load(fs::FileSystem& fs, const fs::Credential& cred, fs::NodeId directory,
                            const LoadOptions& options);

}  // namespace ross::cli
