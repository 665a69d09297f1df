// Space: which blocks of the pool's devices are taken.
//
// Two bitmaps a device. `referenced` is what committed and applied metadata names: it is what the space map records of the
// store say after the next commit. `taken` is what may not be handed out: referenced blocks, blocks a write in
// flight will fill, and blocks that were dropped but that a crash could bring back (their commit is not durable yet) or
// that a reader may still be reading. A block goes
//
//   free -> allocate() -> taken -> reference() -> taken+referenced -> drop() -> taken -> seal, commit, readers -> free
//
// Readers: a read notes the current generation (begin_read) and ends it when its device reads are done. What a commit frees
// becomes free only when every read that began before is over.
//
// Reservations (fallocate) are a number, not blocks: allocate() leaves that many untouched, save what the caller may
// use of them.
// Ownership: one per pool. Threading: guarded by the pool's mutex, save end_read() (any thread).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/format/address.h"

namespace ross::engine {

struct Extent {
  format::BlockAddress address = 0;
  std::uint32_t blocks = 0;
};

class Space {
 public:
  // Device sizes in blocks. Every block but the headers' is free.
  explicit Space(std::span<const std::uint64_t> device_blocks);
  ~Space();

  // Loading the space map: bits of a chunk as stored; EIO when it names blocks that the device does not have.
  Status load_chunk(std::uint32_t device, std::uint32_t chunk, std::string_view bits);
  // The chunk's bits as referenced now; empty when no block is.
  [[nodiscard]] std::string store_chunk(std::uint32_t device, std::uint32_t chunk) const;
  struct ChunkId {
    std::uint32_t device;
    std::uint32_t chunk;
  };
  // The chunks whose referenced bits changed since the last call.
  std::vector<ChunkId> take_changed();
  // From here on they are also listed for the next keep: those that changed since the last call of take_unkept().
  void track_unkept();
  std::vector<ChunkId> take_unkept();

  // Takes up to blocks_max blocks in one run, as long a run as is easily found, at least one; up to `credit` of them may be
  // reserved ones. ENOSPC.
  Result<Extent> allocate(std::uint32_t blocks_max, std::uint64_t credit = 0);
  // Gives back blocks that were allocated but never referenced.
  void release(Extent extent);
  void reference(format::BlockAddress address);
  // unreference() then retire(): the block leaves the metadata, and becomes free after the next commit. They are apart for a
  // block whose image has yet to reach the device.
  void drop(format::BlockAddress address) { unreference(address), retire(address); }
  void unreference(format::BlockAddress address);
  void retire(format::BlockAddress address) { dropped_.push_back(address); }
  [[nodiscard]] bool is_referenced(format::BlockAddress address) const;
  [[nodiscard]] bool exists(format::BlockAddress address) const;

  Status reserve(std::uint64_t blocks);  // ENOSPC
  void unreserve(std::uint64_t blocks);

  // What was dropped up to now belongs to the transaction being sealed.
  void seal_drops();
  // That transaction is durable: its blocks become free behind the readers.
  void commit_drops();

  class Generation {
   public:
    void end_read() { readers_.fetch_sub(1, std::memory_order_release); }

   private:
    friend class Space;
    std::atomic<std::uint32_t> readers_{0};
    std::vector<format::BlockAddress> freed_;
  };
  Generation* begin_read();

  [[nodiscard]] std::uint64_t total_blocks() const { return total_blocks_; }
  // Neither referenced nor reserved: what statfs calls free. Blocks on their way to being free count.
  [[nodiscard]] std::uint64_t free_blocks() const;
  [[nodiscard]] std::uint64_t device_free_blocks(std::uint32_t device) const;
  [[nodiscard]] std::uint64_t device_blocks(std::uint32_t device) const;
  [[nodiscard]] std::uint32_t devices() const { return static_cast<std::uint32_t>(devices_.size()); }
  // Whether blocks were retired since the last seal.
  [[nodiscard]] bool has_drops() const { return !dropped_.empty(); }
  // Whether commits would make blocks free.
  [[nodiscard]] bool has_pending() const { return pending_blocks_ > 0; }

 private:
  struct Device {
    std::uint64_t blocks = 0;
    std::uint64_t free = 0;  // not taken
    std::uint64_t referenced = 0;
    std::uint64_t cursor = 0;  // where the next search begins
    std::vector<std::uint64_t> taken_bits;
    std::vector<std::uint64_t> referenced_bits;
    std::vector<bool> chunk_changed;
    std::vector<bool> chunk_unkept;  // empty when nothing is kept
  };
  Extent find(std::uint32_t device, std::uint32_t blocks_max);
  void mark_changed(std::uint32_t device, std::uint64_t block);
  void free_now(format::BlockAddress address);
  void collect();

  std::vector<Device> devices_;
  std::vector<ChunkId> changed_;
  std::vector<ChunkId> unkept_;
  std::vector<format::BlockAddress> dropped_;            // by the open transaction
  std::vector<format::BlockAddress> sealed_;             // by the committing one
  std::deque<std::unique_ptr<Generation>> generations_;  // the last one is current
  std::vector<std::unique_ptr<Generation>> spare_;
  std::uint64_t total_blocks_ = 0;
  std::uint64_t free_ = 0;
  std::uint64_t referenced_ = 0;
  std::uint64_t reserved_ = 0;
  std::uint64_t pending_blocks_ = 0;
  std::uint32_t next_device_ = 0;
};

}  // namespace ross::engine
