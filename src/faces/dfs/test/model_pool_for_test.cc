#include "faces/dfs/test/model_pool_for_test.h"

#include <map>

namespace ross::dfs {
namespace {

SimClock clock;

struct ModelPool {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<GatedModel>, std::less<>> containers;  // guarded by mutex
};

std::mutex pools_mutex;
std::map<std::string, std::shared_ptr<ModelPool>, std::less<>> pools;  // guarded by pools_mutex

class ModelContainer final : public ContainerBackend {
 public:
  explicit ModelContainer(std::shared_ptr<GatedModel> model) : model_(std::move(model)) {}
  fs::FileSystem& file_system() override { return *model_; }
  Status close() override { return {}; }

 private:
  std::shared_ptr<GatedModel> model_;  // shared with the pool, which outlives every opening
};

class ModelBackend final : public PoolBackend {
 public:
  explicit ModelBackend(std::shared_ptr<ModelPool> pool) : pool_(std::move(pool)) {}
  Status create_container(std::string_view name) override {
    const std::lock_guard lock(pool_->mutex);
    auto& place = pool_->containers[std::string(name)];
    if (place != nullptr) return Status(EEXIST);
    place = std::make_shared<GatedModel>(clock);
    return {};
  }
  Status destroy_container(std::string_view name) override {
    const std::lock_guard lock(pool_->mutex);
    const auto found = pool_->containers.find(name);
    if (found == pool_->containers.end()) return Status(ENOENT);
    pool_->containers.erase(found);
    return {};
  }
  Result<std::vector<std::string>> containers() override {
    const std::lock_guard lock(pool_->mutex);
    std::vector<std::string> names;
    for (const auto& [name, model] : pool_->containers) names.push_back(name);
    return names;
  }
  Result<std::unique_ptr<ContainerBackend>> open_container(std::string_view name) override {
    const std::lock_guard lock(pool_->mutex);
    const auto found = pool_->containers.find(name);
    if (found == pool_->containers.end()) return fail(ENOENT, "there is no such container");
    return std::make_unique<ModelContainer>(found->second);
  }
  Result<PoolSpace> space() override {
    return PoolSpace{.uuid = "", .devices = 2, .total_bytes = 1000, .free_bytes = 600};
  }

 private:
  const std::shared_ptr<ModelPool> pool_;
};

}  // namespace

Result<std::shared_ptr<PoolBackend>> open_backend(std::string_view name) {
  if (name == "missing") return fail(ENOENT, "there is no such pool");
  const std::lock_guard lock(pools_mutex);
  auto& pool = pools[std::string(name)];
  if (pool == nullptr) pool = std::make_shared<ModelPool>();
  return std::make_shared<ModelBackend>(pool);
}

std::shared_ptr<GatedModel> model_of(const std::string& pool, const std::string& container) {
  const std::lock_guard lock(pools_mutex);
  const auto found = pools.find(pool);
  if (found == pools.end()) return nullptr;
  const std::lock_guard pool_lock(found->second->mutex);
  const auto model = found->second->containers.find(container);
  return model == found->second->containers.end() ? nullptr : model->second;
}

void forget_pools() {
  const std::lock_guard lock(pools_mutex);
  pools.clear();
}

void GatedModel::close_gate() {
  const std::lock_guard lock(mutex_);
  shut_ = true;
}

void GatedModel::open_gate() {
  const std::lock_guard lock(mutex_);
  shut_ = false;
  opened_.notify_all();
}

void GatedModel::await_waiting(unsigned count) {
  std::unique_lock lock(mutex_);
  waiting_changed_.wait(lock, [&] { return waiting_ >= count; });
}

void GatedModel::fail_next_sync(int error) { sync_error_ = error; }

fs::Async<std::uint64_t> GatedModel::pass(fs::FileId file, std::uint64_t offset_bytes, memory::Memory memory,
                                          bool reads) {
  {
    std::unique_lock lock(mutex_);
    ++waiting_;
    waiting_changed_.notify_all();
    while (shut_) co_await opened_.wait(lock);
    --waiting_;
  }
  if (reads) co_return co_await ModelFileSystem::read(file, offset_bytes, memory);
  co_return co_await ModelFileSystem::write(file, offset_bytes, memory);
}

fs::Async<std::uint64_t> GatedModel::read(fs::FileId file, std::uint64_t offset_bytes, memory::Memory into) {
  return pass(file, offset_bytes, into, true);
}

fs::Async<std::uint64_t> GatedModel::write(fs::FileId file, std::uint64_t offset_bytes, memory::Memory from) {
  return pass(file, offset_bytes, from, false);
}

fs::AsyncStatus GatedModel::sync() {
  ++syncs_;
  return fs::AsyncStatus::ready(Status(std::exchange(sync_error_, 0)));
}

}  // namespace ross::dfs
