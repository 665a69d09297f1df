#include "engine/space/space.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ross::engine {

using format::BlockAddress;
using format::kDeviceHeaderBlocks;
using format::kSpaceChunkBlocks;

namespace {

constexpr std::uint64_t kWordBits = 64;

bool test(const std::vector<std::uint64_t>& bits, std::uint64_t at) {
  return ((bits[at / kWordBits] >> (at % kWordBits)) & 1) != 0;
}
void set(std::vector<std::uint64_t>& bits, std::uint64_t at) {
  bits[at / kWordBits] |= std::uint64_t{1} << (at % kWordBits);
}
void clear(std::vector<std::uint64_t>& bits, std::uint64_t at) {
  bits[at / kWordBits] &= ~(std::uint64_t{1} << (at % kWordBits));
}

// The first clear bit in [from, end), or end.
std::uint64_t find_clear(const std::vector<std::uint64_t>& bits, std::uint64_t from, std::uint64_t end) {
  while (from < end) {
    const std::uint64_t word = ~bits[from / kWordBits] >> (from % kWordBits);
    if (word != 0) return std::min(end, from + static_cast<std::uint64_t>(std::countr_zero(word)));
    from = (from / kWordBits + 1) * kWordBits;
  }
  return end;
}

// The first set bit in [from, end), or end.
std::uint64_t find_set(const std::vector<std::uint64_t>& bits, std::uint64_t from, std::uint64_t end) {
  while (from < end) {
    const std::uint64_t word = bits[from / kWordBits] >> (from % kWordBits);
    if (word != 0) return std::min(end, from + static_cast<std::uint64_t>(std::countr_zero(word)));
    from = (from / kWordBits + 1) * kWordBits;
  }
  return end;
}

}  // namespace

Space::Space(std::span<const std::uint64_t> device_blocks) {
  for (const std::uint64_t blocks : device_blocks) {
    Device device;
    device.blocks = blocks;
    device.taken_bits.resize(blocks / kWordBits + 1);
    device.referenced_bits.resize(blocks / kWordBits + 1);
    device.chunk_changed.resize(blocks / kSpaceChunkBlocks + 1);
    for (std::uint64_t block = 0; block < std::min(blocks, kDeviceHeaderBlocks); ++block) set(device.taken_bits, block);
    device.free = blocks - std::min(blocks, kDeviceHeaderBlocks);
    device.cursor = kDeviceHeaderBlocks;
    total_blocks_ += device.free;
    devices_.push_back(std::move(device));
  }
  free_ = total_blocks_;
  generations_.push_back(std::make_unique<Generation>());
}

Space::~Space() = default;

Status Space::load_chunk(std::uint32_t device_index, std::uint32_t chunk, std::string_view bits) {
  const auto damaged = [] { return Status(EIO, "the space map is damaged: run ross fsck --repair on the pool"); };
  if (device_index >= devices_.size() || bits.size() != format::kSpaceChunkBytes) return damaged();
  Device& device = devices_[device_index];
  const std::uint64_t base = std::uint64_t{chunk} * kSpaceChunkBlocks;
  for (std::uint64_t i = 0; i < kSpaceChunkBlocks; ++i) {
    if (((static_cast<unsigned char>(bits[i / 8]) >> (i % 8)) & 1) == 0) continue;
    const std::uint64_t block = base + i;
    if (block < kDeviceHeaderBlocks || block >= device.blocks || test(device.taken_bits, block)) return damaged();
    set(device.taken_bits, block);
    set(device.referenced_bits, block);
    --device.free;
    --free_;
    ++device.referenced;
    ++referenced_;
  }
  return {};
}

std::string Space::store_chunk(std::uint32_t device_index, std::uint32_t chunk) const {
  const Device& device = devices_[device_index];
  const std::uint64_t first = std::uint64_t{chunk} * kSpaceChunkBlocks / kWordBits;
  const std::uint64_t last =
      std::min<std::uint64_t>(first + kSpaceChunkBlocks / kWordBits, device.referenced_bits.size());
  std::uint64_t any = 0;
  std::string bits;
  bits.reserve(format::kSpaceChunkBytes);
  for (std::uint64_t word = first; word < last; ++word) {
    any |= device.referenced_bits[word];
    bits.append(reinterpret_cast<const char*>(&device.referenced_bits[word]), sizeof(std::uint64_t));
  }
  if (any == 0) return {};
  bits.resize(format::kSpaceChunkBytes, '\0');
  return bits;
}

std::vector<Space::ChunkId> Space::take_changed() {
  for (const ChunkId& id : changed_) devices_[id.device].chunk_changed[id.chunk] = false;
  return std::exchange(changed_, {});
}

void Space::track_unkept() {
  for (Device& device : devices_) device.chunk_unkept.resize(device.chunk_changed.size());
}

std::vector<Space::ChunkId> Space::take_unkept() {
  for (const ChunkId& id : unkept_) devices_[id.device].chunk_unkept[id.chunk] = false;
  return std::exchange(unkept_, {});
}

void Space::mark_changed(std::uint32_t device, std::uint64_t block) {
  const auto chunk = static_cast<std::uint32_t>(block / kSpaceChunkBlocks);
  if (std::vector<bool>& unkept = devices_[device].chunk_unkept; !unkept.empty() && !unkept[chunk]) {
    unkept[chunk] = true;
    unkept_.push_back({device, chunk});
  }
  if (devices_[device].chunk_changed[chunk]) return;
  devices_[device].chunk_changed[chunk] = true;
  changed_.push_back({device, chunk});
}

// Next fit: from where the last search ended, so that a sequence of writes lies in sequence. Prefers a run of the full
// length; after looking at a bounded number of runs takes the longest one seen.
Extent Space::find(std::uint32_t index, std::uint32_t blocks_max) {
  constexpr int kRunsLookedAtMax = 64;
  Device& device = devices_[index];
  Extent best;
  int looked = 0;
  std::uint64_t at = device.cursor;
  bool wrapped = false;
  while (best.blocks < blocks_max && (looked < kRunsLookedAtMax || best.blocks == 0)) {
    const std::uint64_t begin = find_clear(device.taken_bits, at, device.blocks);
    if (begin >= device.blocks) {
      if (wrapped) break;
      wrapped = true;
      at = kDeviceHeaderBlocks;
      continue;
    }
    if (wrapped && begin >= device.cursor && best.blocks > 0) break;
    const std::uint64_t end = find_set(device.taken_bits, begin, std::min(device.blocks, begin + blocks_max));
    if (end - begin > best.blocks) {
      best = {format::make_address(index, begin), static_cast<std::uint32_t>(end - begin)};
    }
    at = end;
    ++looked;
  }
  return best;
}

Result<Extent> Space::allocate(std::uint32_t blocks_max, std::uint64_t credit) {
  collect();
  const std::uint64_t kept = reserved_ - std::min(reserved_, credit);
  if (free_ <= kept) return fail(ENOSPC, "the pool is full: delete something or add space");
  blocks_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(blocks_max, free_ - kept));
  Extent best;
  for (std::size_t tries = 0; tries < devices_.size() && best.blocks < blocks_max; ++tries) {
    const std::uint32_t index = next_device_;
    next_device_ = (next_device_ + 1) % static_cast<std::uint32_t>(devices_.size());
    if (devices_[index].free == 0) continue;
    const Extent found = find(index, blocks_max);
    if (found.blocks > best.blocks) best = found;
  }
  if (best.blocks == 0) return fail(ENOSPC, "the pool is full: delete something or add space");
  Device& device = devices_[format::device_of(best.address)];
  const std::uint64_t begin = format::block_of(best.address);
  for (std::uint32_t i = 0; i < best.blocks; ++i) set(device.taken_bits, begin + i);
  device.cursor = begin + best.blocks;
  device.free -= best.blocks;
  free_ -= best.blocks;
  return best;
}

void Space::free_now(BlockAddress address) {
  Device& device = devices_[format::device_of(address)];
  clear(device.taken_bits, format::block_of(address));
  ++device.free;
  ++free_;
}

void Space::release(Extent extent) {
  for (std::uint32_t i = 0; i < extent.blocks; ++i) free_now(extent.address + i);
}

void Space::reference(BlockAddress address) {
  const std::uint32_t index = format::device_of(address);
  Device& device = devices_[index];
  const std::uint64_t block = format::block_of(address);
  ROSS_CHECK(test(device.taken_bits, block) && !test(device.referenced_bits, block), "a block is referenced twice");
  set(device.referenced_bits, block);
  ++device.referenced;
  ++referenced_;
  mark_changed(index, block);
}

void Space::unreference(BlockAddress address) {
  const std::uint32_t index = format::device_of(address);
  Device& device = devices_[index];
  const std::uint64_t block = format::block_of(address);
  ROSS_CHECK(test(device.referenced_bits, block), "a block is dropped that nothing references");
  clear(device.referenced_bits, block);
  --device.referenced;
  --referenced_;
  mark_changed(index, block);
  ++pending_blocks_;
}

bool Space::exists(BlockAddress address) const {
  const std::uint32_t index = format::device_of(address);
  const std::uint64_t block = format::block_of(address);
  return index < devices_.size() && block >= kDeviceHeaderBlocks && block < devices_[index].blocks;
}

bool Space::is_referenced(BlockAddress address) const {
  return exists(address) && test(devices_[format::device_of(address)].referenced_bits, format::block_of(address));
}

Status Space::reserve(std::uint64_t blocks) {
  if (blocks > free_ || free_ - blocks < reserved_)
    return Status(ENOSPC, "the pool is full: delete something or add space");
  reserved_ += blocks;
  return {};
}

void Space::unreserve(std::uint64_t blocks) {
  ROSS_CHECK(reserved_ >= blocks, "more reservations end than began");
  reserved_ -= blocks;
}

void Space::seal_drops() {
  ROSS_CHECK(sealed_.empty(), "two transactions commit at once");
  sealed_.swap(dropped_);
}

void Space::commit_drops() {
  if (sealed_.empty()) return;
  generations_.back()->freed_ = std::exchange(sealed_, {});
  if (spare_.empty()) spare_.push_back(std::make_unique<Generation>());
  generations_.push_back(std::move(spare_.back()));
  spare_.pop_back();
  collect();
}

// Frees what the oldest generations hold once nobody reads in them.
void Space::collect() {
  while (generations_.size() > 1 && generations_.front()->readers_.load(std::memory_order_acquire) == 0) {
    for (const BlockAddress address : generations_.front()->freed_) free_now(address);
    pending_blocks_ -= generations_.front()->freed_.size();
    generations_.front()->freed_ = {};
    spare_.push_back(std::move(generations_.front()));
    generations_.pop_front();
  }
}

Space::Generation* Space::begin_read() {
  Generation* const current = generations_.back().get();
  current->readers_.fetch_add(1, std::memory_order_relaxed);
  return current;
}

std::uint64_t Space::free_blocks() const {
  const std::uint64_t used = referenced_ + reserved_;
  return total_blocks_ > used ? total_blocks_ - used : 0;
}

std::uint64_t Space::device_free_blocks(std::uint32_t device) const {
  return devices_[device].blocks - std::min(devices_[device].blocks, kDeviceHeaderBlocks) - devices_[device].referenced;
}

std::uint64_t Space::device_blocks(std::uint32_t device) const { return devices_[device].blocks; }

}  // namespace ross::engine
