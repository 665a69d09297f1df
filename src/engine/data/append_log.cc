#include "engine/data/append_log.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace ross::engine {

using format::BlockAddress;
using format::kBlockBytes;

namespace {

std::byte* image_in(const AppendLog::Chunk& chunk, BlockAddress address, std::uint32_t from) {
  if (address < chunk.extent.address + from || address >= chunk.extent.address + chunk.filled) return nullptr;
  return chunk.at(static_cast<std::uint32_t>(address - chunk.extent.address));
}

}  // namespace

AppendLog::~AppendLog() {
  if (open_) std::free(open_->image);
  for (const auto* list : {&full_, &writing_}) {
    for (const auto& chunk : *list) std::free(chunk->image);
  }
  for (std::byte* image : images_) std::free(image);
}

bool AppendLog::has_room(std::uint32_t blocks) const {
  const std::size_t used = full_.size() + writing_.size() + 1;
  const std::size_t left = open_ ? open_->extent.blocks - open_->filled : kChunkBlocks;
  return left + (used < kChunksMax ? kChunksMax - used - 1 : 0) * kChunkBlocks >= blocks && used < kChunksMax;
}

Result<AppendLog::Placed> AppendLog::place() {
  if (open_ && open_->filled == open_->extent.blocks) close_open();
  if (!open_) {
    if (full_.size() + writing_.size() + 1 >= kChunksMax) return fail(EAGAIN, {}, Retry::kNow);
    ROSS_TRY(const Extent extent, space_.allocate(kChunkBlocks));
    auto chunk = std::make_unique<Chunk>();
    chunk->extent = extent;
    if (images_.empty()) {
      chunk->image = static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, std::size_t{kChunkBlocks} * kBlockBytes));
    } else {
      chunk->image = images_.back();
      images_.pop_back();
    }
    if (chunk->image == nullptr) {
      space_.release(extent);
      return fail(ENOMEM);
    }
    open_ = std::move(chunk);
  }
  const std::uint32_t block = open_->filled++;
  return Placed{open_->extent.address + block, open_->at(block)};
}

AppendLog::Chunk* AppendLog::find_chunk(BlockAddress address) const {
  if (open_ && image_in(*open_, address, 0) != nullptr) return open_.get();
  for (const auto* list : {&full_, &writing_}) {
    for (const auto& chunk : *list) {
      if (image_in(*chunk, address, 0) != nullptr) return chunk.get();
    }
  }
  return nullptr;
}

std::byte* AppendLog::find(BlockAddress address) const {
  const Chunk* const chunk = find_chunk(address);
  return chunk == nullptr ? nullptr : chunk->at(static_cast<std::uint32_t>(address - chunk->extent.address));
}

std::byte* AppendLog::find_open(BlockAddress address) const {
  return open_ ? image_in(*open_, address, open_->sealed) : nullptr;
}

void AppendLog::note_changed(BlockAddress address) {
  Chunk* const chunk = find_chunk(address);
  if (chunk != nullptr) chunk->changed.set(address - chunk->extent.address);
}

void AppendLog::take_unkept(const VisitImage& visit) {
  const auto take = [&](Chunk& chunk) {
    for (std::uint32_t block = chunk.written; block < chunk.filled; ++block) {
      const BlockAddress address = chunk.extent.address + block;
      if ((block >= chunk.kept || chunk.changed[block]) && space_.is_referenced(address))
        visit(address, chunk.at(block));
    }
    chunk.kept = chunk.filled;
    chunk.changed.reset();
  };
  if (open_) take(*open_);
  for (auto* list : {&full_, &writing_}) {
    for (auto& chunk : *list) take(*chunk);
  }
}

void AppendLog::forget_unkept() {
  take_unkept([](BlockAddress, const std::byte*) {});
}

void AppendLog::drop(BlockAddress address) {
  Chunk* const chunk = find_chunk(address);
  if (chunk == nullptr) return space_.drop(address);
  space_.unreference(address);
  chunk->retired.push_back(address);
}

void AppendLog::close_open() {
  if (!open_) return;
  const std::uint32_t unused = open_->extent.blocks - open_->filled;
  if (unused > 0) space_.release({open_->extent.address + open_->filled, unused});
  open_->extent.blocks = open_->filled;
  open_->sealed = open_->filled;
  full_.push_back(std::move(open_));
}

std::vector<AppendLog::Chunk*> AppendLog::take_full() {
  std::vector<Chunk*> taken;
  for (auto& chunk : full_) {
    taken.push_back(chunk.get());
    writing_.push_back(std::move(chunk));
  }
  full_.clear();
  return taken;
}

void AppendLog::written(Chunk& chunk, std::uint32_t upto) {
  chunk.written = upto;
  note_obsolete(std::exchange(chunk.deferred, {}));
  const BlockAddress end = chunk.extent.address + upto;
  std::erase_if(chunk.retired, [&](BlockAddress address) {
    if (address >= end) return false;
    space_.retire(address);
    return true;
  });
  if (&chunk == open_.get() || upto < chunk.filled) return;  // more blocks joined it meanwhile
  for (auto* list : {&writing_, &full_}) {
    const auto found = std::find_if(list->begin(), list->end(), [&](const auto& one) { return one.get() == &chunk; });
    if (found == list->end()) continue;
    images_.push_back(chunk.image);
    list->erase(found);
    return;
  }
  ROSS_CHECK(false, "a chunk was written that the log does not know");
}

}  // namespace ross::engine
