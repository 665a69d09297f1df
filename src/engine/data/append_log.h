// AppendLog: where small writes gather, so that many of them become one device write.
//
// A chunk is a run of freshly allocated blocks with its image in memory. Small writes are copied into the open chunk and are
// applied to the metadata at once; reads of their blocks are served from the image. A full chunk goes to the device as one write.
// When a commit comes first, the new blocks of the open chunk either ride in the commit's own log record (deferred: few
// bytes, one flush for everything) or are written to the device before it.
//
// A block of the open chunk that no commit has sealed yet may be changed in place.
// Ownership: one per pool; images are its own. Limits: kChunksMax chunks in memory; place() says when to wait.
// Threading: guarded by the pool's mutex, save that the images of full chunks are read by the writer without it.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "disk/disk.h"
#include "engine/format/address.h"
#include "engine/space/space.h"

namespace ross::engine {

class AppendLog {
 public:
  static constexpr std::uint32_t kChunkBlocks = 128;  // 512 KiB: near the device's streaming rate
  static constexpr std::size_t kChunksMax = 12;       // 6 MiB of images

  struct Chunk {
    Extent extent;
    std::byte* image = nullptr;                  // aligned to a block
    std::uint32_t filled = 0;                    // blocks placed
    std::uint32_t sealed = 0;                    // blocks a commit has named: not changed any more
    std::uint32_t written = 0;                   // blocks on the device
    std::uint32_t kept = 0;                      // blocks that a keep has seen, or a commit
    std::bitset<kChunkBlocks> changed;           // of these, changed in place since
    std::vector<format::BlockAddress> deferred;  // blocks that ride in the store's log
    std::vector<format::BlockAddress> retired;   // blocks nobody references any more; free only once written
    [[nodiscard]] std::byte* at(std::uint32_t block) const { return image + std::size_t{block} * format::kBlockBytes; }
  };

  explicit AppendLog(Space& space) : space_(space) {}
  ~AppendLog();
  AppendLog(const AppendLog&) = delete;
  AppendLog& operator=(const AppendLog&) = delete;

  struct Placed {
    format::BlockAddress address = 0;
    std::byte* image = nullptr;
  };
  // Whether `blocks` can be placed without waiting for the device.
  [[nodiscard]] bool has_room(std::uint32_t blocks) const;
  // Room for one block. ENOSPC when the pool is full, EAGAIN when full chunks wait for the device: write them, and
  // try again.
  Result<Placed> place();
  // The image of a block that lives in a chunk, else null.
  [[nodiscard]] std::byte* find(format::BlockAddress address) const;
  // The image if the block may still be changed in place, else null.
  [[nodiscard]] std::byte* find_open(format::BlockAddress address) const;
  // A block was changed in place.
  void note_changed(format::BlockAddress address);
  // Visits the blocks that are only here, if they are new or changed since the last call or forget_unkept().
  using VisitImage = std::function<void(format::BlockAddress address, const std::byte* image)>;
  void take_unkept(const VisitImage& visit);
  void forget_unkept();

  // Full chunks to be written, taken over by the caller until written() or the pool fails.
  std::vector<Chunk*> take_full();
  [[nodiscard]] bool has_full() const { return !full_.empty(); }
  [[nodiscard]] Chunk* open() const { return open_.get(); }
  // The chunk's blocks [0, upto) are on the device. Full ones are let go.
  void written(Chunk& chunk, std::uint32_t upto);
  // The metadata lets go of a block. One whose image has yet to reach the device stays taken until it has, so
  // that a late write cannot land on somebody else's data.
  void drop(format::BlockAddress address);
  // Closes the open chunk, so that take_full() yields it. What was not placed is free again.
  void close_open();
  // Deferred blocks whose chunk has reached the device: their log records can go with the next commit that flushes.
  std::vector<format::BlockAddress> take_obsolete() { return std::exchange(obsolete_, {}); }
  [[nodiscard]] bool has_obsolete() const { return !obsolete_.empty(); }
  void note_obsolete(std::span<const format::BlockAddress> addresses) {
    obsolete_.insert(obsolete_.end(), addresses.begin(), addresses.end());
  }

 private:
  [[nodiscard]] Chunk* find_chunk(format::BlockAddress address) const;
  Space& space_;
  std::unique_ptr<Chunk> open_;
  std::vector<std::unique_ptr<Chunk>> full_;
  std::vector<std::unique_ptr<Chunk>> writing_;
  std::vector<std::byte*> images_;  // spare ones
  std::vector<format::BlockAddress> obsolete_;
};

}  // namespace ross::engine
