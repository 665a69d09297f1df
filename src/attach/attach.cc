#include "attach/attach.h"

#include <fmt/format.h>

#include <utility>

#include "attach/connect.h"
#include "attach/pool_table.h"

namespace ross::attach {
namespace {

// A container of a pool in this process.
class LocalAttachment final : public Attachment {
 public:
  LocalAttachment(std::shared_ptr<PoolUse> use, std::unique_ptr<fs::FileSystem> container)
      : use_(std::move(use)), container_(std::move(container)) {}
  ~LocalAttachment() override { static_cast<void>(close()); }

  fs::FileSystem& file_system() override { return *container_; }
  engine::Pool* pool() override { return &use_->pool(); }
  Status close() override {
    container_.reset();  // a pool's containers go before it
    return use_->close();
  }

 private:
  const std::shared_ptr<PoolUse> use_;  // shared with nobody: it is how the table hands out shares
  std::unique_ptr<fs::FileSystem> container_;
};

// How the pools of these options are opened.
PoolTable::Open opener(const AttachOptions& options) {
  if (!options.share) return &engine::Pool::open;
  return [share = options.share](const std::filesystem::path& directory, const engine::PoolOptions& pool_options) {
    return open_shared(directory, pool_options, share, &engine::Pool::open);
  };
}

Result<std::shared_ptr<PoolUse>> use_pool(const Url& url, const AttachOptions& options) {
  if (url.scheme == "local") return process_pools().use(url.pool, options.pool, opener(options));
  // By the fabric, too: who asks for another gets a session of its own.
  const std::string key = fmt::format("ross+{}://{}/{}", url.fabric, url.server, url.pool);
  return process_pools().use_named(key, [&url] { return connect(url, {}); });
}

}  // namespace

PoolTable& process_pools() {
  // Leaked, so that a pool still open at exit is not closed by a destructor that runs after its threads are gone.
  static PoolTable& table = *new PoolTable(&engine::Pool::open);
  return table;
}

Result<std::unique_ptr<Attachment>> attach(std::string_view text, const AttachOptions& options) {
  ROSS_TRY(Url url, parse_url(text, true));
  ROSS_TRY(std::shared_ptr<PoolUse> use, use_pool(url, options));
  ROSS_TRY(std::unique_ptr<fs::FileSystem> container, use->pool().open_container(url.container));
  return std::make_unique<LocalAttachment>(std::move(use), std::move(container));
}

Result<std::shared_ptr<engine::Pool>> attach_pool(std::string_view text, const AttachOptions& options) {
  ROSS_TRY(Url url, parse_url(text, false));
  ROSS_TRY(std::shared_ptr<PoolUse> use, use_pool(url, options));
  engine::Pool* const pool = &use->pool();
  return std::shared_ptr<engine::Pool>(std::move(use), pool);
}

}  // namespace ross::attach
