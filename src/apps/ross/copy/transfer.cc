#include "apps/ross/copy/transfer.h"

#include <algorithm>
#include <coroutine>
#include <span>
#include <utility>

namespace ross::cli::copy {
namespace {

constexpr std::size_t kExtentsMax = 1024;  // gathered at once of a file with more holes than that

// One file on its way, shared by its strands, which all run on one thread.
struct Flight {
  TransferContext& context;
  SourceFile& from;
  SinkFile& to;
  std::vector<Extent> extents;  // to move; next_extent and next_byte say how far they are given out
  std::size_t next_extent = 0;
  std::uint64_t next_byte = 0;
  std::uint64_t end = 0;  // behind the last byte written
  bool cut = false;       // the file turned out shorter than it was
  Status status;          // the first error
  unsigned running = 0;
  std::coroutine_handle<> waiting;

  // The next piece to move; empty at the end.
  Extent take() {
    while (next_extent < extents.size() && status.ok() && !cut) {
      const Extent& extent = extents[next_extent];
      const std::uint64_t begin = std::max(extent.begin, next_byte);
      if (begin < extent.end) {
        next_byte = std::min<std::uint64_t>(extent.end, begin + kPieceBytes);
        return Extent{begin, next_byte};
      }
      ++next_extent;
    }
    return {};
  }
};

struct Join {
  Flight& flight;
  bool await_ready() const noexcept { return flight.running == 0; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { flight.waiting = handle; }
  void await_resume() noexcept {}
};

fs::AsyncStatus pump(Flight& flight, std::span<std::byte> buffer) {
  for (;;) {
    const Extent piece = flight.take();
    if (piece.begin == piece.end) co_return Status();
    if (flight.context.stopped()) co_return Status(ECANCELED);
    const auto into = buffer.first(piece.end - piece.begin);
    const auto got = co_await flight.from.read(piece.begin, into);
    if (!got.has_value()) co_return got.error();
    if (*got < into.size()) flight.cut = true;
    if (*got == 0) continue;
    const auto data = into.first(*got);
    Status status = co_await flight.to.write(piece.begin, data);
    if (!status.ok()) co_return status;
    flight.end = std::max(flight.end, piece.begin + *got);
    flight.context.bytes += *got;
  }
}

// The buffer goes back before whoever waits for the strand goes on: that one may want it for the next file.
fs::AsyncStatus strand(Flight& flight, memory::Lease buffer) {
  Status status = co_await pump(flight, buffer.span());
  buffer = memory::Lease();
  co_return status;
}

// Moves the extents gathered so far.
fs::AsyncStatus move_extents(Flight& flight) {
  std::uint64_t bytes = 0;
  for (const Extent& extent : flight.extents) bytes += extent.end - extent.begin;
  const std::uint64_t pieces = bytes / kPieceBytes + 1;
  const auto strands = static_cast<unsigned>(std::min<std::uint64_t>(pieces, kStrandsMax));
  flight.next_extent = 0;
  flight.next_byte = 0;
  for (unsigned i = 0; i < strands; ++i) {
    // The first strand has a buffer for certain; the others share the spare ones with other large files.
    const bool spare = i > 0;
    if (spare && flight.context.spare_buffers == 0) break;
    auto buffer = flight.context.buffers.lease();
    if (!buffer.has_value() && !spare) co_return buffer.error();
    if (!buffer.has_value()) break;
    if (spare) --flight.context.spare_buffers;
    ++flight.running;
    runtime::spawn(strand(flight, *std::move(buffer)), [&flight, spare](Status status) {
      if (spare) ++flight.context.spare_buffers;
      if (flight.status.ok() && !status.ok()) flight.status = std::move(status);
      if (--flight.running == 0 && flight.waiting) std::exchange(flight.waiting, {}).resume();
    });
  }
  Join join{flight};
  co_await join;
  co_return flight.status;
}

fs::AsyncStatus transfer_large(TransferContext& context, SourceFile& from, SinkFile& to, bool sparse) {
  const std::uint64_t size = from.attr().size_bytes;
  Flight flight{context, from, to};
  std::uint64_t at = 0;
  while (at < size && !flight.cut) {
    flight.extents.clear();
    if (!sparse) {
      flight.extents.push_back(Extent{0, size});
      at = size;
    }
    while (at < size && flight.extents.size() < kExtentsMax) {
      const auto extent = co_await from.next_data(at);
      if (!extent.has_value()) co_return extent.error();
      at = std::min(extent->end, size);
      if (extent->begin < at) flight.extents.push_back(Extent{extent->begin, at});
    }
    Status status = co_await move_extents(flight);
    if (!status.ok()) co_return status;
  }
  if (flight.end < size && !flight.cut) co_return co_await to.resize(size);  // it ends in a hole
  co_return Status();
}

// Files whose size is not known before they are read (those of /proc say 0), and small ones.
fs::AsyncStatus transfer_stream(TransferContext& context, SourceFile& from, SinkFile& to) {
  auto buffer = context.buffers.lease();
  if (!buffer.has_value()) co_return buffer.error();
  for (std::uint64_t at = 0;;) {
    if (context.stopped()) co_return Status(ECANCELED);
    const auto into = buffer->span();
    const auto got = co_await from.read(at, into);
    if (!got.has_value()) co_return got.error();
    if (*got == 0) co_return Status();
    const auto data = into.first(*got);
    Status status = co_await to.write(at, data);
    if (!status.ok()) co_return status;
    at += *got;
    context.bytes += *got;
    if (*got < into.size()) co_return Status();
  }
}

}  // namespace

fs::AsyncStatus transfer(TransferContext& context, SourceFile& from, SinkFile& to) {
  const fs::Attr& attr = from.attr();
  const bool sparse = attr.allocated_bytes < attr.size_bytes;
  if (sparse) return transfer_large(context, from, to, true);
  if (attr.size_bytes >= kPieceBytes) return transfer_large(context, from, to, false);
  return transfer_stream(context, from, to);
}

}  // namespace ross::cli::copy
