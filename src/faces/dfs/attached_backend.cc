// The machine's pools, by attach.
#include <fmt/format.h>

#include <utility>

#include "attach/attach.h"
#include "faces/dfs/backend.h"
#include "faces/dfs/pool_names.h"
#include "server/share.h"

namespace ross::dfs {
namespace {

// Programs of DFS come in many processes on one pool (fio's jobs, MPI ranks): the first serves the others.
attach::AttachOptions shared_options() {
  attach::AttachOptions options;
  options.share = &server::share;
  return options;
}

class AttachedContainer final : public ContainerBackend {
 public:
  explicit AttachedContainer(std::unique_ptr<attach::Attachment> attachment) : attachment_(std::move(attachment)) {}
  fs::FileSystem& file_system() override { return attachment_->file_system(); }
  Status close() override { return attachment_->close(); }

 private:
  std::unique_ptr<attach::Attachment> attachment_;
};

class AttachedPool final : public PoolBackend {
 public:
  AttachedPool(std::string url, std::shared_ptr<engine::Pool> pool) : url_(std::move(url)), pool_(std::move(pool)) {}

  Status create_container(std::string_view name) override { return pool_->create_container(name, {}); }
  Status destroy_container(std::string_view name) override { return pool_->destroy_container(name); }

  Result<std::vector<std::string>> containers() override {
    std::vector<std::string> names;
    for (engine::ContainerInfo& info : pool_->containers()) names.push_back(std::move(info.name));
    return names;
  }

  Result<std::unique_ptr<ContainerBackend>> open_container(std::string_view name) override {
    ROSS_TRY(auto attachment, attach::attach(fmt::format("{}/{}", url_, name), shared_options()));
    return std::make_unique<AttachedContainer>(std::move(attachment));
  }

  Result<PoolSpace> space() override {
    const engine::PoolInfo info = pool_->info();
    return PoolSpace{.uuid = info.uuid,
                     .devices = static_cast<std::uint32_t>(info.devices.size()),
                     .total_bytes = info.total_bytes,
                     .free_bytes = info.free_bytes};
  }

 private:
  const std::string url_;  // without a '/' at its end
  const std::shared_ptr<engine::Pool> pool_;
};

}  // namespace

Result<std::shared_ptr<PoolBackend>> open_backend(std::string_view name) {
  ROSS_TRY(std::string url, pool_url(name));
  while (url.size() > 1 && url.back() == '/') url.pop_back();
  ROSS_TRY(auto pool, attach::attach_pool(url, shared_options()));
  return std::make_shared<AttachedPool>(std::move(url), std::move(pool));
}

}  // namespace ross::dfs
