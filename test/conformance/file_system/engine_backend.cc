// The suite on the embedded engine: a pool of its own for each test, on a file and on a RAM device.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "base/units.h"
#include "conformance/file_system/backend.h"
#include "engine/pool.h"

namespace ross::conformance {

namespace {

constexpr std::string_view kContainer = "suite";
// What the greediest test holds, several times over. Devices are allocated in full, and a RAM device is memory.
constexpr std::uint64_t kDeviceBytes = 32 * kMiB;
constexpr const char* kSharedMemory = "/dev/shm";

class EngineInstance final : public Instance {
 public:
  ~EngineInstance() override {
    fs_.reset();
    if (pool_ != nullptr) {
      const Status closed = pool_->close();
      if (!closed.ok()) std::fprintf(stderr, "closing the pool failed: %s\n", closed.message().c_str());
    }
    pool_.reset();
    if (directory_.empty()) return;
    // A memory device is not in the directory and would keep its memory: the pool must take it along.
    const Status destroyed = engine::Pool::destroy(pool_directory());
    if (!destroyed.ok()) std::fprintf(stderr, "destroying the pool failed: %s\n", destroyed.message().c_str());
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  Status make(engine::DeviceKind kind, const InstanceOptions& options) {
    // Where data are in memory, metadata are, too: most of a test's time would be waiting for the disk.
    const std::filesystem::path place = kind == engine::DeviceKind::kRam && access(kSharedMemory, W_OK) == 0
                                            ? std::filesystem::path(kSharedMemory)
                                            : std::filesystem::temp_directory_path();
    std::string pattern = (place / "ross-conformance-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return Status(errno, "cannot make a directory for the pool");
    directory_ = pattern;
    options_.clock = options.clock;
    engine::DeviceSpec device;
    device.kind = kind;
    device.size_bytes = kDeviceBytes;
    engine::PoolSpec spec;
    spec.devices.push_back(device);
    ROSS_STATUS(engine::Pool::create(pool_directory(), spec));
    ROSS_STATUS(open_pool());
    ROSS_STATUS(pool_->create_container(kContainer, {.quota_bytes = options.limit_bytes}));
    return open_container();
  }

  fs::FileSystem& file_system() override { return *fs_; }

  Status restart() override {
    fs_.reset();
    ROSS_STATUS(pool_->close());
    pool_.reset();
    ROSS_STATUS(open_pool());
    return open_container();
  }

 private:
  [[nodiscard]] std::filesystem::path pool_directory() const { return directory_ / "pool"; }

  Status open_pool() {
    auto opened = engine::Pool::open(pool_directory(), options_);
    if (!opened) return std::move(opened).error();
    pool_ = *std::move(opened);
    return {};
  }
  Status open_container() {
    auto opened = pool_->open_container(kContainer);
    if (!opened) return std::move(opened).error();
    fs_ = *std::move(opened);
    return {};
  }

  std::filesystem::path directory_;
  engine::PoolOptions options_;
  std::unique_ptr<engine::Pool> pool_;
  std::unique_ptr<fs::FileSystem> fs_;
};

template <engine::DeviceKind kind>
Result<std::unique_ptr<Instance>> make(const InstanceOptions& options) {
  auto instance = std::make_unique<EngineInstance>();
  ROSS_OK(instance->make(kind, options));
  return instance;
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{
      {.name = "engine_ram", .capabilities = {}, .make = make<engine::DeviceKind::kRam>},
      {.name = "engine_file", .capabilities = {}, .make = make<engine::DeviceKind::kFile>},
  };
  return all;
}

}  // namespace ross::conformance
