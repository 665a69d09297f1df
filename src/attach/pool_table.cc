#include "attach/pool_table.h"

#include <unistd.h>

#include <system_error>
#include <utility>

namespace ross::attach {

PoolUse::PoolUse(std::shared_ptr<Slot> slot, engine::Pool* pool)
    : slot_(std::move(slot)), pool_(pool), pid_(::getpid()) {}

PoolUse::~PoolUse() { static_cast<void>(close()); }

Status PoolUse::close() {
  if (std::exchange(pool_, nullptr) == nullptr) return {};
  // A share that a fork copied belongs to the parent, and so do the pool's threads and files.
  if (pid_ != ::getpid()) return {};
  const std::lock_guard lock(slot_->mutex);
  if (--slot_->users > 0) return slot_->pool->sync();
  Status status = slot_->pool->close();
  slot_->pool.reset();
  return status;
}

PoolTable::PoolTable(Open open) : open_(std::move(open)), pid_(::getpid()) {}

Result<std::shared_ptr<PoolUse>> PoolTable::use(const std::filesystem::path& directory,
                                                const engine::PoolOptions& options, const Open& open) {
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(directory, error);
  if (error) return fail(error.value(), "cannot reach " + directory.string() + ": " + error.message());
  return use_named(canonical.string(), [&] { return open(canonical, options); });
}

Result<std::shared_ptr<PoolUse>> PoolTable::use_named(
    const std::string& key, const std::function<Result<std::unique_ptr<engine::Pool>>()>& open) {
  std::shared_ptr<PoolUse::Slot> slot;
  {
    const std::lock_guard lock(mutex_);
    if (pid_ != ::getpid()) {
      // The copies of the parent's slots are leaked on purpose: destroying them would join threads that are not
      // here and write into files that the parent goes on writing.
      new std::map<std::string, std::shared_ptr<PoolUse::Slot>>(std::move(slots_));
      slots_.clear();
      pid_ = ::getpid();
    }
    // Slots that nobody holds but the table are closed pools.
    std::erase_if(slots_, [](const auto& named) { return named.second.use_count() == 1; });
    std::shared_ptr<PoolUse::Slot>& named = slots_[key];
    if (named == nullptr) named = std::make_shared<PoolUse::Slot>();
    slot = named;
  }
  const std::lock_guard lock(slot->mutex);
  if (slot->pool == nullptr) {
    ROSS_TRY(slot->pool, open());
  }
  ++slot->users;
  engine::Pool* const pool = slot->pool.get();
  return std::shared_ptr<PoolUse>(new PoolUse(std::move(slot), pool));
}

}  // namespace ross::attach
