// The data pass: every stored block is read and compared with its checksum. Blocks that fail are set apart: their place in the file
// answers EIO, their place on the device is never used again.
#include <fmt/format.h>

#include "base/checksum.h"
#include "engine/fsck/checker.h"

namespace ross::engine {

using format::BlockRef;
using format::kBlockBytes;
using format::NodeKey;

Status Checker::check_segment_data(NodeKey id, std::uint32_t segment, std::vector<BlockRef>& blocks,
                                   std::vector<std::byte>& buffer, bool& changed) {
  auto loop = runtime::Loop::create({.clock = &clock_});
  if (!loop) return std::move(loop).error();
  const auto read_run = [](disk::Disk& disk, std::uint64_t block, std::span<std::byte> into) -> runtime::Task<int> {
    disk::Request request;
    disk::Batch batch;
    batch.submit(disk, request.read(block * kBlockBytes, into));
    co_return co_await batch;
  };
  const std::uintptr_t misaligned = reinterpret_cast<std::uintptr_t>(buffer.data()) % kBlockBytes;
  std::byte* const memory = buffer.data() + (misaligned == 0 ? 0 : kBlockBytes - misaligned);
  for (std::size_t i = 0; i < blocks.size();) {
    const format::BlockAddress address = blocks[i].address;
    const std::uint32_t device = format::device_of(address);
    if (!format::is_stored(address) || device >= disks_.size() ||
        format::block_of(address) * kBlockBytes >= disks_[device]->size_bytes()) {
      ++i;  // the scan told of it
      continue;
    }
    std::size_t run = 1;
    while (i + run < blocks.size() && blocks[i + run].address == address + run &&
           (format::block_of(address) + run) * kBlockBytes < disks_[device]->size_bytes()) {
      ++run;
    }
    const int error =
        (*loop)->block_on(read_run(*disks_[device], format::block_of(address), {memory, run * kBlockBytes}));
    for (std::size_t at = i; at < i + run; ++at) {
      std::span<const std::byte> content(memory + (at - i) * kBlockBytes, kBlockBytes);
      int block_error = error;
      const auto in_log = deferred_.find(blocks[at].address);
      if (in_log != deferred_.end()) {
        content = std::as_bytes(std::span(in_log->second));
        block_error = 0;
      } else if (error < 0 && run > 1) {  // find out which
        std::byte* const one = memory + (at - i) * kBlockBytes;
        block_error =
            (*loop)->block_on(read_run(*disks_[device], format::block_of(blocks[at].address), {one, kBlockBytes}));
      }
      if (block_error == 0 && crc32c(content) == blocks[at].crc) continue;
      const std::uint64_t offset = (std::uint64_t{segment} * format::kSegmentBlocks + at) * kBlockBytes;
      found(place(id),
            fmt::format("4096 bytes at {}: {}", offset,
                        block_error < 0 ? "the device does not read them" : "they do not match their checksum"),
            true);
      const std::uint64_t block = format::block_of(blocks[at].address);
      fixes_.Put(format::isolated_key(static_cast<std::uint8_t>(device), block), rocksdb::Slice());
      fixes_.Delete(format::deferred_key(static_cast<std::uint8_t>(device), block));
      blocks[at] = {.address = format::kBad, .crc = 0};
      changed = true;
    }
    i += run;
  }
  return {};
}

Status Checker::check_data() {
  std::vector<std::byte> buffer((format::kSegmentBlocks + 1) * kBlockBytes);
  Status failed;
  ROSS_STATUS(each(format::KeyKind::kSegment, [&](std::string_view key, std::string_view value) {
    format::Reader in(key);
    NodeKey id;
    const Node* const node = node_of(in, id);
    const auto segment = in.big<std::uint32_t>();
    auto blocks = format::decode_segment(value);
    if (node == nullptr || !blocks || !failed.ok()) return;
    bool changed = false;
    failed = check_segment_data(id, segment, *blocks, buffer, changed);
    if (changed) fixes_.Put(rocksdb::Slice(key.data(), key.size()), format::encode_segment(*blocks));
  }));
  return failed;
}

}  // namespace ross::engine
