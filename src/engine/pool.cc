#include "engine/pool.h"

#include <fmt/format.h>
#include <rocksdb/env.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/random.h"
#include "engine/container.h"
#include "engine/core.h"
#include "engine/kept/local_clients.h"
#include "engine/kept/replay.h"
#include "engine/pool_files.h"
#include "engine/recovery.h"

namespace ross::engine {

namespace stdfs = std::filesystem;

namespace {

constexpr std::size_t kContainersMax = 65536;

format::Uuid make_uuid() {
  format::Uuid uuid{};
  for (std::size_t i = 0; i < uuid.size(); i += 8) {
    const std::uint64_t word = random_seed();
    std::memcpy(uuid.data() + i, &word, 8);
  }
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x40);  // version 4, random
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
  return uuid;
}

Status check_container_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= fs::kNameBytesMax && name != "." && name != ".." &&
                    name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
  return good ? Status() : Status(EINVAL, "a container's name has 1 to 255 bytes without '/', and is not '.' or '..'");
}

class LocalPool final : public Pool {
 public:
  LocalPool(std::unique_ptr<PoolLock> lock, format::Superblock superblock, std::unique_ptr<Core> core)
      : lock_(std::move(lock)), superblock_(std::move(superblock)), core_(std::move(core)) {
    if (core_->options.serves_clients) clients_ = std::make_unique<LocalClients>(*core_);
  }
  ~LocalPool() override {
    if (core_ != nullptr) [[maybe_unused]]
      const Status lost = close();
  }

  Status create_container(std::string_view name, const ContainerOptions& options) override;
  Status set_container(std::string_view name, const ContainerOptions& options) override;
  Status destroy_container(std::string_view name) override;
  std::vector<ContainerInfo> containers() override;
  Result<ContainerInfo> container(std::string_view name) override;
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) override;
  PoolInfo info() override;
  Clients* clients() override { return clients_.get(); }
  Status sync() override { return core_->commit_blocking(); }
  Status close() override;

 private:
  [[nodiscard]] std::uint64_t random_key() const {
    std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
    core_->options.fill_random(bytes);
    return std::bit_cast<std::uint64_t>(bytes);
  }
  // Mutex held.
  Result<ContainerState*> find(std::string_view name) {
    const auto found = core_->container_names.find(name);
    if (found == core_->container_names.end()) {
      return fail(ENOENT, fmt::format("no container '{}': make it with ross container create", name));
    }
    return &core_->containers.at(found->second);
  }
  static ContainerInfo info_of(const ContainerState& state) {
    const format::ContainerRecord& record = state.record;
    return {.name = record.name,
            .options = {.quota_bytes = record.quota_bytes, .quota_nodes = record.quota_nodes},
            .used_bytes = record.used_blocks * format::kBlockBytes,
            .used_nodes = record.used_nodes,
            .created_ns = record.created_ns};
  }

  std::unique_ptr<PoolLock> lock_;
  const format::Superblock superblock_;
  std::unique_ptr<Core> core_;
  std::unique_ptr<LocalClients> clients_;
};

Status LocalPool::create_container(std::string_view name, const ContainerOptions& options) {
  ROSS_STATUS(check_container_name(name));
  {
    const Lock lock(core_->mutex);
    ROSS_STATUS(core_->failure());
    if (core_->container_names.contains(name))
      return Status(EEXIST, fmt::format("container '{}' is there already", name));
    if (core_->containers.size() >= kContainersMax) return Status(ENOSPC, "a pool has at most 65536 containers");
    const format::ContainerId id(core_->pool_record.next_container++);
    core_->mark_pool_record_dirty();
    ContainerState state{.id = id, .record = {}};
    state.record.name = name;
    state.record.name_seed = random_key();
    state.record.quota_bytes = options.quota_bytes;
    state.record.quota_nodes = options.quota_nodes;
    state.record.created_ns = core_->now_ns();
    state.record.used_nodes = 1;
    format::InodeRecord root;
    root.mode = S_IFDIR | 0755;
    root.links = 2;
    root.uid = ::geteuid();
    root.gid = ::getegid();
    root.parent = fs::kRootNode.value;
    root.atime_ns = root.mtime_ns = root.ctime_ns = root.btime_ns = state.record.created_ns;
    core_->container_names.emplace(std::string(name), id);
    core_->mark_dirty(core_->containers.emplace(id, std::move(state)).first->second);
    core_->nodes.insert({id, fs::kRootNode}, root);
  }
  return sync();
}

Status LocalPool::set_container(std::string_view name, const ContainerOptions& options) {
  {
    const Lock lock(core_->mutex);
    ROSS_STATUS(core_->failure());
    auto state = find(name);
    if (!state) return std::move(state).error();
    (*state)->record.quota_bytes = options.quota_bytes;
    (*state)->record.quota_nodes = options.quota_nodes;
    core_->mark_dirty(**state);
  }
  return sync();
}

Status LocalPool::destroy_container(std::string_view name) {
  format::ContainerId id;
  {
    const Lock lock(core_->mutex);
    ROSS_STATUS(core_->failure());
    auto state = find(name);
    if (!state) return std::move(state).error();
    if ((*state)->opens > 0) return Status(EBUSY, fmt::format("container '{}' is open: close it first", name));
    id = (*state)->id;
    (*state)->record.destroying = true;
    core_->mark_dirty(**state);
    core_->container_names.erase(core_->container_names.find(name));
  }
  // From here on it is gone for everybody, also after a crash; its content follows. Everything it had in memory is committed with
  // this, so that the store alone says what is to be freed.
  ROSS_STATUS(sync());
  auto loop = runtime::Loop::create({.clock = core_->options.clock});
  if (!loop) return std::move(loop).error();
  ROSS_STATUS((*loop)->block_on(Recovery::destroy_content(*core_, id)));
  return sync();
}

std::vector<ContainerInfo> LocalPool::containers() {
  const Lock lock(core_->mutex);
  std::vector<ContainerInfo> list;
  for (const auto& [name, id] : core_->container_names) list.push_back(info_of(core_->containers.at(id)));
  return list;
}

Result<ContainerInfo> LocalPool::container(std::string_view name) {
  const Lock lock(core_->mutex);
  ROSS_TRY(const ContainerState* const state, find(name));
  return info_of(*state);
}

Result<std::unique_ptr<fs::FileSystem>> LocalPool::open_container(std::string_view name) {
  const Lock lock(core_->mutex);
  ROSS_TRY(const ContainerState* const state, find(name));
  return std::make_unique<Container>(*core_, state->id);
}

PoolInfo LocalPool::info() {
  const Lock lock(core_->mutex);
  PoolInfo info;
  info.uuid = format::uuid_text(superblock_.uuid);
  info.format_version = core_->pool_record.version;
  for (std::uint32_t i = 0; i < core_->space.devices(); ++i) {
    DeviceInfo device{.kind = DeviceKind::kFile, .path = {}, .size_bytes = 0, .free_bytes = 0};
    if (i < superblock_.devices.size()) {
      device.kind = superblock_.devices[i].kind;
      device.path = superblock_.devices[i].path;
    }
    device.size_bytes = core_->space.device_blocks(i) * format::kBlockBytes;
    device.free_bytes = core_->space.device_free_blocks(i) * format::kBlockBytes;
    info.devices.push_back(std::move(device));
  }
  info.total_bytes = core_->space.total_blocks() * format::kBlockBytes;
  info.free_bytes = core_->space.free_blocks() * format::kBlockBytes;
  info.containers = core_->container_names.size();
  if (!core_->failure().ok()) info.failed = core_->failure().message();
  return info;
}

Status LocalPool::close() {
  if (core_ == nullptr) return {};
  {
    const Lock lock(core_->mutex);
    for (const auto& [id, state] : core_->containers) {
      if (state.opens > 0)
        return Status(EBUSY, fmt::format("container '{}' is open: close it first", state.record.name));
    }
  }
  Status status = core_->stop();
  clients_.reset();
  core_.reset();
  lock_.reset();
  return status;
}

// The store of a pool whose disks come from the caller (simulation) is at the directory's path in the caller's environment, and there
// is neither superblock nor lock.
bool simulated(const PoolOptions& options) { return options.env != nullptr; }

Result<std::unique_ptr<Core>> open_core(const stdfs::path& directory, const PoolOptions& options,
                                        const format::Superblock& superblock, std::size_t devices, bool create) {
  Core::Parts parts;
  parts.options = options;
  for (std::size_t i = 0; i < devices; ++i) {
    std::unique_ptr<disk::Disk> disk;
    if (options.open_disk) {
      ROSS_TRY(disk, options.open_disk(i));
    } else {
      ROSS_TRY(disk, open_device(directory, superblock, i));
    }
    parts.disks.push_back(std::move(disk));
  }
  std::error_code error;
  if (!simulated(options) && !stdfs::exists(meta_path(directory), error)) {
    return fail(EIO, fmt::format("{}: the metadata store is missing: restore it from a copy of the pool",
                                 meta_path(directory).string()));
  }
  ROSS_TRY(parts.store, MetaStore::open(meta_path(directory).string(), {.env = options.env,
                                                                        .cache_bytes = options.cache_bytes / 4,
                                                                        .write_buffer_bytes = options.cache_bytes / 4,
                                                                        .create = create}));
  ROSS_TRY(parts.loop, runtime::Loop::create({.clock = options.clock}));
  return std::make_unique<Core>(std::move(parts));
}

// Adds what a process kept that was killed. Before anything is loaded from the store.
Status replay(const KeptLog::Place& place, Core& core) {
  auto replayed = replay_kept(*core.store, place);
  if (!replayed) return std::move(replayed).error();
  if (replayed->damaged) return Status(EIO, "the number of the last transaction is damaged: run ross fsck on the pool");
  if (replayed->kept_transaction != 0) {
    core.number_transactions(replayed->kept_transaction);
    for (std::uint32_t i = 0; i < core.disks.size(); ++i) core.note_device_write(i);  // by the one that was killed
  } else if (core.options.serves_clients) {
    core.number_transactions(replayed->stored_transaction + 1);
  }
  return {};
}

// Makes it durable, and lets go of the logs: one that is left would be older than the store.
Status settle_kept(const KeptLog::Place& place, Core& core) {
  const bool served_before = core.pool_record.version == format::kServedVersion;
  if (core.options.serves_clients && !served_before) {
    core.pool_record.version = format::kServedVersion;
    core.mark_pool_record_dirty();
  }
  ROSS_STATUS(core.commit_blocking());
  return served_before ? KeptLog::remove(place) : Status();
}

// The first commit of a new pool.
Status format_store(const stdfs::path& directory, const PoolOptions& options, const format::Uuid& uuid) {
  auto store = MetaStore::open(meta_path(directory).string(), {.env = options.env, .create = true});
  if (!store) return std::move(store).error();
  rocksdb::WriteBatch batch;
  const format::PoolRecord record{.version = format::kFormatVersion, .uuid = uuid, .next_container = 1};
  batch.Put(format::pool_key(), format::encode(record));
  return (*store)->write(batch);
}

}  // namespace

Status Pool::create(const stdfs::path& directory, const PoolSpec& spec) {
  std::error_code error;
  if (stdfs::exists(directory / format::kSuperblockFile, error)) {
    return Status(EEXIST,
                  fmt::format("{}: is a pool already: destroy it first, or choose another place", directory.string()));
  }
  if (stdfs::exists(meta_path(directory), error)) {
    return Status(EEXIST, fmt::format("{}: is there already: remove it, or choose another place for the pool",
                                      meta_path(directory).string()));
  }
  const bool made_directory = stdfs::create_directories(directory, error);
  if (error) {
    return Status(error.value(),
                  fmt::format("{}: making the directory failed: {}", directory.string(), error.message()));
  }
  auto lock = PoolLock::take(directory);
  if (!lock) {
    if (made_directory) stdfs::remove(directory, error);
    return std::move(lock).error();
  }
  format::Superblock superblock;
  superblock.uuid = make_uuid();
  superblock.created_ns = system_clock().realtime_ns();
  auto devices = make_devices(directory, spec, superblock.uuid);
  Status status;
  if (devices) {
    superblock.devices = *std::move(devices);
    status = format_store(directory, PoolOptions{}, superblock.uuid);
    // Last of all: with the superblock the pool exists.
    if (status.ok()) status = write_superblock(directory, superblock);
  } else {
    status = std::move(devices).error();
  }
  if (status.ok()) return status;
  for (const auto& device : superblock.devices) {
    [[maybe_unused]] const Status told_already = release_device(directory, device, superblock.uuid);
  }
  stdfs::remove_all(meta_path(directory), error);
  stdfs::remove(directory / "lock", error);
  if (made_directory) stdfs::remove(directory, error);
  return status;
}

Result<std::unique_ptr<Pool>> Pool::open(const stdfs::path& directory, const PoolOptions& options) {
  std::unique_ptr<PoolLock> lock;
  format::Superblock superblock;
  std::size_t devices = options.devices;
  bool create = false;
  if (simulated(options)) {
    create = options.env->FileExists(meta_path(directory).string() + "/CURRENT").IsNotFound();
    if (create) ROSS_OK(format_store(directory, options, superblock.uuid));
  } else {
    ROSS_TRY(superblock, read_superblock(directory));
    ROSS_TRY(lock, PoolLock::take(directory));
    devices = superblock.devices.size();
  }
  ROSS_TRY(auto core, open_core(directory, options, superblock, devices, false));
  KeptLog::Place place = KeptLog::Place::of(directory.string(), options);
  ROSS_OK(replay(place, *core));
  Recovery recovery(*core);
  ROSS_OK(recovery.load());
  if (!simulated(options) && core->pool_record.uuid != superblock.uuid) {
    return fail(EINVAL,
                fmt::format("{}: the metadata store belongs to another pool: restore the pool's own from a copy",
                            directory.string()));
  }
  ROSS_OK(settle_kept(place, *core));
  ROSS_OK(recovery.run());
  if (options.serves_clients) {
    ROSS_OK(core->commit_blocking());
    const bool can_keep = !place.boot_id.empty();
    core->start_keeping(can_keep ? std::make_unique<KeptLog>(std::move(place), core->pool_record.uuid) : nullptr);
  }
  if (options.commit_interval_ns > 0) core->start_background();
  return std::make_unique<LocalPool>(std::move(lock), std::move(superblock), std::move(core));
}

Status Pool::destroy(const stdfs::path& directory) {
  auto superblock = read_superblock(directory);
  if (!superblock) return std::move(superblock).error();
  auto lock = PoolLock::take(directory);
  if (!lock) return std::move(lock).error();
  // The superblock goes first: a destruction that is cut short leaves no pool, only files to remove.
  std::error_code error;
  stdfs::remove(directory / format::kSuperblockFile, error);
  if (error) {
    return Status(error.value(),
                  fmt::format("{}: removing the superblock failed: {}", directory.string(), error.message()));
  }
  for (std::size_t i = 0; i < superblock->devices.size(); ++i) {
    if (Status status = release_device(directory, superblock->devices[i], superblock->uuid); !status.ok())
      return status;
  }
  stdfs::remove_all(meta_path(directory), error);
  [[maybe_unused]] const Status kept = KeptLog::remove(KeptLog::Place::of(directory.string(), {}));
  stdfs::remove(directory / "lock", error);
  stdfs::remove(directory, error);  // only when nothing else is in it
  return {};
}

}  // namespace ross::engine
