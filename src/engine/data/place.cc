// Where changed content goes: into the append log's image (small), or to blocks of its own on the devices (large).
#include <fmt/format.h>

#include "base/checksum.h"
#include "engine/data/change.h"

namespace ross::engine {

using format::BlockRef;
using format::kBlockBytes;

// All under the mutex: readers see the block's old image or its new one. A block that no commit has named yet is changed in place.
Status Container::place_small(Inode& node, Change& change) {
  const std::size_t count = change.target_count();
  std::array<std::byte*, 16> images{};
  ROSS_CHECK(count <= images.size(), "a small change is not small");
  change.refs.assign(count, {});
  const auto old_address = [&](std::size_t i) {
    const std::uint64_t block = change.target(i);
    const auto segment = node.segments.find(static_cast<std::uint32_t>(block >> format::kSegmentShift));
    return segment->second->at(static_cast<std::uint32_t>(block % format::kSegmentBlocks)).address;
  };
  for (std::size_t i = 0; i < count; ++i) {
    const format::BlockAddress old = old_address(i);
    if (format::is_stored(old) && core_.append_log.find_open(old) != nullptr) {
      change.refs[i].address = old;
      continue;
    }
    auto placed = core_.append_log.place();
    if (placed) {
      change.refs[i].address = placed->address;
      images[i] = placed->image;
      continue;
    }
    // Give up those placed so far: their chunk will carry them to the device, and then they are free.
    for (std::size_t given = 0; given < i; ++given) {
      if (images[given] == nullptr) continue;
      core_.space.reference(change.refs[given].address);
      core_.append_log.drop(change.refs[given].address);
    }
    return std::move(placed).error();
  }
  // Placing may have closed the chunk that an in-place block lives in; it is still only in memory, and nobody writes it before
  // the mutex is free again, so its image may change. Its address is found among all chunks.
  for (std::size_t i = 0; i < count; ++i) {
    std::byte* const image = images[i] != nullptr ? images[i] : core_.append_log.find(change.refs[i].address);
    change.fill(i, image);
    change.refs[i].crc = crc32c({image, kBlockBytes});
    if (images[i] == nullptr) core_.append_log.note_changed(change.refs[i].address);
  }
  return {};
}

// Allocates, unlocks, writes, locks. On success change.extents holds the blocks, not yet referenced.
runtime::Task<Status> Container::place_direct(Lock& lock, Inode& node, Change& change) {
  (void)node;
  const std::size_t count = change.target_count();
  change.refs.assign(count, {});
  change.extents.clear();
  const auto give_back = [&] {
    for (const Extent& extent : change.extents) core_.space.release(extent);
    change.extents.clear();
  };
  for (std::size_t have = 0; have < count;) {
    auto extent = core_.space.allocate(static_cast<std::uint32_t>(count - have), change.credit);
    if (!extent) {
      give_back();
      co_return std::move(extent).error();
    }
    change.extents.push_back(*extent);
    for (std::uint32_t i = 0; i < extent->blocks; ++i) change.refs[have + i].address = extent->address + i;
    have += extent->blocks;
  }
  lock.unlock();
  int error = 0;
  if (core_.mapped) {
    copy_to_devices(change);
  } else {
    error = co_await write_to_devices(change);
  }
  lock.lock();
  if (error < 0) {
    give_back();
    co_return Status(-error, fmt::format("writing to a device failed: {}", Status(-error).message()));
  }
  for (const Extent& extent : change.extents) core_.note_device_write(format::device_of(extent.address));
  co_return Status();
}

void Container::copy_to_devices(Change& change) {
  for (std::size_t i = 0; i < change.refs.size(); ++i) {
    BlockRef& ref = change.refs[i];
    std::byte* const block =
        core_.disks[format::device_of(ref.address)]->mapped() + format::block_of(ref.address) * kBlockBytes;
    change.fill(i, block);
    ref.crc = crc32c({block, kBlockBytes});
  }
}

// Straight from the caller's memory where it is contiguous and aligned; edges from their merged content; the rest through
// buffers.
runtime::Task<int> Container::write_to_devices(Change& change) {
  struct DeviceWrite {
    memory::Lease buffer;
    disk::Request request;
  };
  const std::size_t count = change.refs.size();
  for (std::size_t next = 0; next < count;) {
    absl::InlinedVector<DeviceWrite, 3> writes;
    std::size_t i = next;
    bool out_of_buffers = false;
    while (i < count) {
      const format::BlockAddress address = change.refs[i].address;
      disk::Disk& disk = *core_.disks[format::device_of(address)];
      const auto straight = [&](std::size_t first, std::size_t blocks) -> std::byte* {
        if (change.edge_of(change.target(first + blocks - 1)) != nullptr) return nullptr;
        std::byte* const memory = change.from.contiguous(change.source_of(change.target(first)), blocks * kBlockBytes);
        return reinterpret_cast<std::uintptr_t>(memory) % disk.alignment_bytes() == 0 ? memory : nullptr;
      };
      const auto follows = [&](std::size_t blocks) {
        return i + blocks < count && change.refs[i + blocks].address == address + blocks;
      };
      DeviceWrite write;
      std::size_t blocks = 1;
      std::byte* source = nullptr;
      if (const auto* edge = change.edge_of(change.target(i))) {
        source = edge->content;
      } else if (source = straight(i, 1); source != nullptr) {
        while (follows(blocks) && straight(i, blocks + 1) != nullptr) ++blocks;
      } else {
        auto buffer = core_.bounce.lease();
        if (!buffer) {
          out_of_buffers = true;
          break;
        }
        write.buffer = *std::move(buffer);
        source = write.buffer.data();
        const std::size_t blocks_max = write.buffer.span().size() / kBlockBytes;
        change.fill(i, source);
        for (; blocks < blocks_max && follows(blocks); ++blocks) change.fill(i + blocks, source + blocks * kBlockBytes);
      }
      for (std::size_t at = 0; at < blocks; ++at) {
        change.refs[i + at].crc = crc32c({source + at * kBlockBytes, kBlockBytes});
      }
      write.request.write(format::block_of(address) * kBlockBytes, {source, blocks * kBlockBytes});
      write.request.backend = &disk;
      writes.push_back(std::move(write));
      i += blocks;
    }
    if (writes.empty() && out_of_buffers) {
      // Others hold every buffer and give them back when their transfers are done.
      runtime::Loop& loop = *runtime::Loop::current();
      co_await loop.sleep_until(loop.clock().monotonic_ns() + 100'000);
      continue;
    }
    disk::Batch batch;
    for (DeviceWrite& write : writes) {
      disk::Disk& disk = *static_cast<disk::Disk*>(std::exchange(write.request.backend, nullptr));
      batch.submit(disk, write.request);
    }
    if (const int error = co_await batch; error < 0) co_return error;
    next = i;
  }
  co_return 0;
}

}  // namespace ross::engine
