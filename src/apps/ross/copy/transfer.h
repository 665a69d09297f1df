// The bytes of one file from a source to a sink.
//
// A small file is one read and one write. A large one is moved in pieces of kPieceBytes by several strands at once, so
// that reading, writing and the devices behind them overlap. Holes stay holes: only the extents that hold data move.
// Threading: owner thread (the worker's loop).
#pragma once

#include <atomic>
#include <functional>

#include "apps/ross/copy/tree.h"
#include "memory/buffer_pool.h"

namespace ross::cli::copy {

inline constexpr std::size_t kPieceBytes = 1024 * 1024;
inline constexpr unsigned kStrandsMax = 8;  // pieces of one file in flight

struct TransferContext {
  memory::BufferPool& buffers;        // of kPieceBytes; one for each transfer at once, and the spare ones
  std::atomic<std::uint64_t>& bytes;  // counts what has moved
  std::function<bool()> stopped;      // asked between pieces
  unsigned spare_buffers = 0;         // left for the second and further strands of large files
};

// ECANCELED when stopped. The context, the files live until the task is done.
fs::AsyncStatus transfer(TransferContext& context, SourceFile& from, SinkFile& to);

}  // namespace ross::cli::copy
