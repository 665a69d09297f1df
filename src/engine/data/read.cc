// read: look the range up under the mutex, move the data without it, check every block against its checksum.
//
// A block of the append log is copied from its image while the mutex is held. A block on a device goes straight into the
// caller's memory when it is wanted whole and the memory is aligned, else through a leased buffer. The blocks cannot be reused
// meanwhile: the read holds a generation of the space. A checksum that does not match is EIO; the data is not handed out
// as good. A loan may leave the check of whole blocks to its reader, who gets their checksums.
#include <absl/container/inlined_vector.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/checksum.h"
#include "base/log.h"
#include "engine/container.h"

namespace ross::engine {

using format::BlockRef;
using format::kBlockBytes;
using format::kSegmentBlocks;

namespace {

// A longer read goes in pieces, so that its plan stays small.
constexpr std::uint64_t kPieceBytes = 4 * 1024 * 1024;
constexpr std::array<std::byte, kBlockBytes> kZeros{};
static_assert(kBlockBytes == fs::kChecksumBlockBytes);
constexpr std::int64_t kDayNs = 86'400'000'000'000;

std::uint32_t checksum_of_zeros() {
  static const std::uint32_t checksum = crc32c(kZeros);
  return checksum;
}

bool matches(const std::byte* block, std::uint32_t crc) { return crc32c({block, kBlockBytes}) == crc; }

// Begins to bring a block into the cache.
void fetch_ahead(const std::byte* block) {
  constexpr std::size_t kLineBytes = 64;
  for (std::size_t at = 0; at < kBlockBytes; at += kLineBytes) __builtin_prefetch(block + at);
}

Status mismatch(BlockRef ref) {
  const std::string what =
      fmt::format("device {} block {} does not match its checksum: run ross fsck --data on the pool",
                  format::device_of(ref.address), format::block_of(ref.address));
  log().error("{}", what);
  return Status(EIO, what);
}

}  // namespace

struct Container::ReadPlan {
  Space::Generation* generation = nullptr;
  memory::Memory into;
  bool lends = false;           // nothing is copied: into is not used, and zeros are the reader's business
  std::uint64_t offset = 0;     // in the file
  std::uint64_t size = 0;       // clamped to the file
  std::uint64_t memory_at = 0;  // where in `into` this piece begins
  // One per block of the range; what was settled under the mutex (zeros, images) is a hole here.
  absl::InlinedVector<BlockRef, 8> refs;

  [[nodiscard]] std::uint64_t first_block() const { return offset / kBlockBytes; }
  // The wanted part of block i of the plan: where it begins in the block, how long it is, where it goes in `into`.
  struct Part {
    std::uint32_t begin;
    std::uint32_t size;
    std::uint64_t memory_at;
  };
  [[nodiscard]] Part part(std::size_t i) const {
    const std::uint64_t block_at = (first_block() + i) * kBlockBytes;
    const std::uint64_t begin = std::max(block_at, offset);
    const std::uint64_t end = std::min(block_at + kBlockBytes, offset + size);
    return {static_cast<std::uint32_t>(begin - block_at), static_cast<std::uint32_t>(end - begin),
            memory_at + (begin - offset)};
  }
};

// Takes the mutex. Returns the bytes of this piece; 0 at the end of the file, and then nothing is held.
Result<std::uint64_t> Container::plan_read(fs::FileId file, std::uint64_t offset_bytes, std::uint64_t size_bytes,
                                           ReadPlan& plan) {
  const Lock lock(core_.mutex);
  ROSS_TRY(const OpenFile* const open, find_file(file));
  Inode& node = *open->inode;
  if (!open->flags.read) return fail(EBADF);
  if (!node.is_regular()) return fail(EISDIR);
  format::InodeRecord& record = node.record;
  const std::uint64_t wanted = std::min(size_bytes, kPieceBytes);
  if (offset_bytes >= record.size_bytes || wanted == 0) return 0;
  plan.offset = offset_bytes;
  plan.size = std::min(wanted, record.size_bytes - offset_bytes);
  const std::uint64_t first = plan.first_block();
  const std::uint64_t last = (plan.offset + plan.size - 1) / kBlockBytes;
  plan.refs.resize(last - first + 1);
  Segment* segment = nullptr;
  for (std::uint64_t block = first; block <= last; ++block) {
    if (block == first || block % kSegmentBlocks == 0) {
      ROSS_TRY(segment, core_.nodes.segment(node, static_cast<std::uint32_t>(block >> format::kSegmentShift)));
    }
    BlockRef& ref = plan.refs[block - first];
    ref = segment == nullptr ? BlockRef{} : segment->at(static_cast<std::uint32_t>(block % kSegmentBlocks));
    if (ref.address == format::kBad) {
      return fail(EIO, "this part of the file was damaged and set apart by ross fsck");
    }
    const std::byte* image = nullptr;
    if (format::is_stored(ref.address)) {
      image = core_.append_log.find(ref.address);
      if (image == nullptr) {
        // The page is looked up and its first line fetched while the plan is finished.
        if (core_.mapped && block == first) fetch_ahead(mapped_block(ref));
        continue;
      }
    }
    ref = {};
    if (plan.lends) continue;
    const auto part = plan.part(block - first);
    if (image == nullptr) {
      plan.into.fill_zero(part.memory_at, part.size);
    } else {
      plan.into.copy_in(part.memory_at, {image + part.begin, part.size});
    }
  }
  // relatime: the access time moves when it is behind the others, or a day old. Not worth failing a read for.
  if (record.atime_ns <= record.mtime_ns || record.atime_ns <= record.ctime_ns ||
      core_.options.clock->realtime_coarse_ns() - record.atime_ns > kDayNs) {
    if (core_.admit_in_passing()) {
      record.atime_ns = core_.now_ns();
      core_.nodes.mark_dirty(node);
    }
  }
  plan.generation = core_.space.begin_read();
  return plan.size;
}

const std::byte* Container::mapped_block(BlockRef ref) const {
  const disk::Disk& disk = *core_.disks[format::device_of(ref.address)];
  return disk.mapped() + format::block_of(ref.address) * kBlockBytes;
}

// Every device is memory: check a block where it lies, then copy it while it is in the cache.
Status Container::read_mapped(const ReadPlan& plan) {
  for (std::size_t i = 0; i < plan.refs.size(); ++i) {
    const BlockRef ref = plan.refs[i];
    if (!format::is_stored(ref.address)) continue;
    const std::byte* const block = mapped_block(ref);
    if (!matches(block, ref.crc)) return mismatch(ref);
    const auto part = plan.part(i);
    plan.into.copy_in(part.memory_at, {block + part.begin, part.size});
  }
  return {};
}

fs::Async<std::uint64_t> Container::read(fs::FileId file, std::uint64_t offset_bytes, memory::Memory into) {
  if (!core_.mapped) return read_pieces(file, offset_bytes, into);
  const auto read_all = [&]() -> Result<std::uint64_t> {
    std::uint64_t done = 0;
    for (;;) {
      ReadPlan plan;
      plan.into = into;
      plan.memory_at = done;
      ROSS_TRY(const std::uint64_t size, plan_read(file, offset_bytes + done, into.size_bytes() - done, plan));
      if (size == 0) return done;
      const Status status = read_mapped(plan);
      plan.generation->end_read();
      ROSS_OK(status);
      done += size;
    }
  };
  return fs::Async<std::uint64_t>::ready(read_all());
}

// The same, but for the copy: the blocks are lent where they lie.
fs::Async<bool> Container::lend(fs::FileId file, std::uint64_t offset_bytes, std::uint64_t size_bytes, fs::Loan& loan) {
  if (!core_.mapped || size_bytes > kPieceBytes) return fs::Async<bool>::ready(false);
  const auto lend_all = [&]() -> Result<bool> {
    ReadPlan plan;
    plan.lends = true;
    ROSS_TRY(const std::uint64_t size, plan_read(file, offset_bytes, size_bytes, plan));
    if (size == 0) {
      loan.begin(nullptr, [](void*) {});
      return true;
    }
    loan.begin(plan.generation, [](void* generation) { static_cast<Space::Generation*>(generation)->end_read(); });
    for (std::size_t i = 0; i < plan.refs.size(); ++i) {
      const BlockRef ref = plan.refs[i];
      const auto part = plan.part(i);
      const bool reader_checks = loan.reader_checks() && part.size == kBlockBytes;
      if (!format::is_stored(ref.address)) {
        loan.add(kZeros.data(), part.size);
        if (reader_checks) loan.add_checksum(checksum_of_zeros());
        continue;
      }
      const std::byte* const block = mapped_block(ref);
      if (reader_checks) {
        loan.add_checksum(ref.crc);
      } else if (!matches(block, ref.crc)) {
        loan.give_back();
        return fail(mismatch(ref));
      }
      loan.add(block + part.begin, part.size);
    }
    return true;
  };
  return fs::Async<bool>::ready(lend_all());
}

// One transfer of consecutive device blocks.
struct Container::DeviceRead {
  std::size_t first = 0;  // index into the plan
  std::size_t count = 0;
  std::byte* target = nullptr;  // the caller's memory, or the buffer's
  memory::Lease buffer;
  disk::Request request;
};

fs::Async<std::uint64_t> Container::read_pieces(fs::FileId file, std::uint64_t offset_bytes, memory::Memory into) {
  std::uint64_t done = 0;
  for (;;) {
    ReadPlan plan;
    plan.into = into;
    plan.memory_at = done;
    ROSS_CO_TRY(const std::uint64_t size, plan_read(file, offset_bytes + done, into.size_bytes() - done, plan));
    if (size == 0) co_return done;
    const Status status = co_await read_devices(plan);
    plan.generation->end_read();
    if (!status.ok()) co_return fail(status);
    done += size;
    if (done == into.size_bytes()) co_return done;
  }
}

runtime::Task<Status> Container::read_devices(ReadPlan& plan) {
  const std::size_t blocks = plan.refs.size();
  for (std::size_t next = 0; next < blocks;) {
    // As many transfers as the buffers allow; usually all of them.
    absl::InlinedVector<DeviceRead, 2> reads;
    std::size_t i = next;
    bool out_of_buffers = false;
    while (i < blocks && !out_of_buffers) {
      const BlockRef ref = plan.refs[i];
      if (!format::is_stored(ref.address)) {
        ++i;
        continue;
      }
      disk::Disk& disk = *core_.disks[format::device_of(ref.address)];
      const auto whole = [&](std::size_t at) { return plan.part(at).size == kBlockBytes; };
      const auto direct = [&](std::size_t at, std::size_t count) -> std::byte* {
        if (!whole(at) || !whole(at + count - 1)) return nullptr;
        std::byte* const memory = plan.into.contiguous(plan.part(at).memory_at, count * kBlockBytes);
        return reinterpret_cast<std::uintptr_t>(memory) % disk.alignment_bytes() == 0 ? memory : nullptr;
      };
      DeviceRead read;
      read.first = i;
      read.count = 1;
      read.target = direct(i, 1);
      const bool straight = read.target != nullptr;
      const std::size_t count_max = straight ? blocks : core_.bounce.buffer_bytes() / kBlockBytes;
      while (read.count < count_max && i + read.count < blocks &&
             plan.refs[i + read.count].address == ref.address + read.count &&
             (!straight || direct(i, read.count + 1) != nullptr)) {
        ++read.count;
      }
      if (!straight) {
        auto buffer = core_.bounce.lease();
        if (!buffer) {
          out_of_buffers = true;
          break;
        }
        read.buffer = *std::move(buffer);
        read.target = read.buffer.data();
      }
      i += read.count;
      reads.push_back(std::move(read));
    }
    if (reads.empty() && out_of_buffers) {
      // Others hold every buffer and give them back when their transfers are done.
      runtime::Loop& loop = *runtime::Loop::current();
      co_await loop.sleep_until(loop.clock().monotonic_ns() + 100'000);
      continue;
    }
    disk::Batch batch;
    for (DeviceRead& read : reads) {
      const format::BlockAddress address = plan.refs[read.first].address;
      const std::span<std::byte> target(read.target, read.count * kBlockBytes);
      batch.submit(*core_.disks[format::device_of(address)],
                   read.request.read(format::block_of(address) * kBlockBytes, target));
    }
    if (const int error = co_await batch; error < 0) {
      co_return Status(-error, fmt::format("reading a device failed: {}", Status(-error).message()));
    }
    for (const DeviceRead& read : reads) {
      for (std::size_t at = 0; at < read.count; ++at) {
        const std::byte* const block = read.target + at * kBlockBytes;
        const BlockRef ref = plan.refs[read.first + at];
        if (!matches(block, ref.crc)) co_return mismatch(ref);
        if (!read.buffer) continue;
        const auto part = plan.part(read.first + at);
        plan.into.copy_in(part.memory_at, {block + part.begin, part.size});
      }
    }
    next = i;
  }
  co_return Status();
}

runtime::Task<Status> Container::read_block(Lock& lock, BlockRef ref, std::byte* into) {
  if (const std::byte* const image = core_.append_log.find(ref.address)) {
    std::copy_n(image, kBlockBytes, into);
    co_return Status();
  }
  disk::Disk& disk = *core_.disks[format::device_of(ref.address)];
  Space::Generation* const generation = core_.space.begin_read();
  lock.unlock();
  disk::Request request;
  disk::Batch batch;
  const std::span<std::byte> target(into, kBlockBytes);
  batch.submit(disk, request.read(format::block_of(ref.address) * kBlockBytes, target));
  const int error = co_await batch;
  generation->end_read();
  lock.lock();
  if (error < 0) co_return Status(-error, fmt::format("reading a device failed: {}", Status(-error).message()));
  co_return matches(into, ref.crc) ? Status() : mismatch(ref);
}

}  // namespace ross::engine
