#include "world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

namespace ross::sim {

namespace {

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return fail(EIO, "cannot read " + path.string());
  std::stringstream content;
  content << stream.rdbuf();
  return std::move(content).str();
}

// The blocks of a sparse file that hold anything.
Result<std::vector<PoolImage::Piece>> read_pieces(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(errno, "cannot open " + path.string());
  std::vector<PoolImage::Piece> pieces;
  std::vector<std::byte> block(disk::kBlockBytes);
  const std::vector<std::byte> zeros(disk::kBlockBytes);
  for (off_t at = 0; (at = ::lseek(fd, at, SEEK_DATA)) >= 0;) {
    at = at / static_cast<off_t>(disk::kBlockBytes) * static_cast<off_t>(disk::kBlockBytes);
    if (::pread(fd, block.data(), block.size(), at) != static_cast<ssize_t>(block.size())) break;
    if (block != zeros) pieces.push_back({static_cast<std::uint64_t>(at), block});
    at += static_cast<off_t>(disk::kBlockBytes);
  }
  ::close(fd);
  return pieces;
}

Status fill(engine::Pool& pool, std::uint64_t size_bytes) {
  ROSS_STATUS(pool.create_container("filler", {}));
  auto fs = pool.open_container("filler");
  if (!fs) return fs.error();
  auto loop = runtime::Loop::create();
  if (!loop) return loop.error();
  const fs::Credential root;
  const auto file = (*loop)->block_on((*fs)->create(root, fs::kRootNode, "filler", 0644, {.write = true}));
  if (!file) return file.error();
  ROSS_STATUS((*loop)->block_on((*fs)->fallocate(file->file, fs::Fallocate::kAllocate, 0, size_bytes)));
  return (*loop)->block_on((*fs)->close(file->file));
}

}  // namespace

fs::AsyncStatus remove_below(fs::FileSystem& fs, fs::NodeId directory) {
  while (true) {
    fs::ReaddirOptions options;
    auto entries = co_await fs.readdir(kRoot, directory, options);
    if (!entries) co_return entries.error();
    if (entries->empty()) co_return Status();
    for (const fs::DirEntry& entry : *entries) {
      Status status;
      if (S_ISDIR(entry.type)) {
        status = co_await remove_below(fs, entry.node);
        if (status.ok()) status = co_await fs.rmdir(kRoot, directory, entry.name);
      } else {
        status = co_await fs.unlink(kRoot, directory, entry.name);
      }
      if (!status.ok()) co_return status;
    }
  }
}

Result<std::unique_ptr<PoolImage>> PoolImage::make(std::size_t devices, std::uint64_t device_bytes,
                                                   std::uint64_t filler_bytes) {
  std::string pattern = (std::filesystem::temp_directory_path() / "ross-sim-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) return fail(errno, "cannot make a temporary directory");
  std::unique_ptr<PoolImage> image(new PoolImage());
  image->directory_ = pattern;
  image->device_bytes_ = device_bytes;
  engine::PoolSpec spec;
  engine::DeviceSpec device;
  device.size_bytes = device_bytes;
  spec.devices.resize(devices, device);
  const std::filesystem::path directory = image->directory_ / "pool";
  ROSS_OK(engine::Pool::create(directory, spec));
  std::vector<std::filesystem::path> device_paths;
  {
    ROSS_TRY(auto pool, engine::Pool::open(directory, {}));
    ROSS_OK(pool->create_container(kContainer, {}));
    if (filler_bytes > 0) ROSS_OK(fill(*pool, filler_bytes));
    for (const engine::DeviceInfo& made : pool->info().devices) {
      const std::filesystem::path path(made.path);
      device_paths.push_back(path.is_absolute() ? path : directory / path);
    }
    ROSS_OK(pool->close());
  }
  for (const std::filesystem::path& path : device_paths) {
    ROSS_TRY(std::vector<Piece> pieces, read_pieces(path));
    image->devices_.push_back(std::move(pieces));
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().parent_path() == directory) continue;
    ROSS_TRY(std::string bytes, read_file(entry.path()));
    image->files_.push_back({entry.path().string(), std::move(bytes)});
  }
  image->directory_ = directory;
  return image;
}

PoolImage::~PoolImage() {
  std::error_code ignored;
  const std::filesystem::path made = directory_.filename() == "pool" ? directory_.parent_path() : directory_;
  if (!made.empty()) std::filesystem::remove_all(made, ignored);
}

// Passes everything on to the world's disk and has it counted.
class World::Plugged final : public disk::Disk {
 public:
  Plugged(World& world, disk::SimDisk& disk) : world_(world), disk_(disk) {}
  [[nodiscard]] std::uint64_t size_bytes() const override { return disk_.size_bytes(); }
  [[nodiscard]] std::size_t alignment_bytes() const override { return disk_.alignment_bytes(); }
  void submit(runtime::Loop& loop, disk::Request& request) override {
    if (request.kind == disk::Request::Kind::kRead) {
      disk_.submit(loop, request);
      return;
    }
    ++world_.writes_;
    if (!world_.powered_) {
      request.done(request, -EIO);
      return;
    }
    if (counts_down(world_.cut_countdown_)) {
      // The write is under way when the power goes: the dice decide how far it got, and nobody hears that it succeeded. A process
      // that is killed is gone when what it had under way is.
      world_.torn_ = disk::Request();
      world_.torn_.write(request.offset_bytes, {request.data, request.size_bytes});
      world_.torn_.done = [](runtime::Completion&, int) {};
      disk_.set_options({});
      disk_.submit(loop, world_.torn_);
      disk_.set_options({.delay_ns_max = world_.delay_ns_max_});
      world_.end_here();
      request.done(request, -EIO);
      return;
    }
    // The request may be gone when submit returns.
    const std::uint64_t at = request.offset_bytes;
    const std::uint64_t size = request.size_bytes;
    const bool flip = counts_down(world_.flip_countdown_);
    disk_.submit(loop, request);
    const std::uint64_t block = at / disk::kBlockBytes;
    if (flip) disk_.flip_bit(at + block * 7919 % size, static_cast<unsigned>(block % 8));
  }
  Status flush() override {
    ++world_.flushes_;
    if (counts_down(world_.cut_countdown_)) world_.end_here();
    if (!world_.powered_) return Status(EIO, "the simulated machine is not there");
    if (counts_down(world_.flush_countdown_)) return Status(EIO, "a simulated flush failed");
    return disk_.flush();
  }
  void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) override {
    disk_.discard(offset_bytes, size_bytes);
  }

 private:
  World& world_;
  disk::SimDisk& disk_;
};

World::World(const PoolImage& image, std::uint64_t seed) : image_(image), random_(seed ^ 0x5eed), env_(seed) {
  clock_.advance(1'000'000'000);  // zero means "never" to some
  auto loop = runtime::Loop::create({.clock = &clock_});
  ROSS_CHECK(loop.has_value(), "a simulated world needs a loop");
  loop_ = std::move(*loop);
  for (const PoolImage::File& file : image.files()) env_.add_file(file.path, file.bytes);
  for (const auto& pieces : image.devices()) {
    disk::SimOptions options;
    options.size_bytes = image.device_bytes();
    disks_.push_back(std::make_unique<disk::SimDisk>(options, seed * 31 + disks_.size()));
    for (const PoolImage::Piece& piece : pieces) {
      disk::Request request;
      request.write(piece.offset_bytes, piece.bytes);
      request.done = [](runtime::Completion&, int) {};
      disks_.back()->submit(*loop_, request);
    }
    ROSS_CHECK(disks_.back()->flush().ok(), "a fresh disk takes a flush");
  }
}

World::~World() {
  if (store_jobs_.env != nullptr) loop_->remove(store_jobs_);
}

void World::run_store_jobs_in_loop() {
  env_.hold_jobs();
  store_jobs_.env = &env_;
  ROSS_CHECK(loop_->add(store_jobs_).ok(), "a loop takes a poller without a descriptor");
}

engine::PoolOptions World::options() {
  engine::PoolOptions options;
  options.commit_interval_ns = 0;
  options.clock = &clock_;
  options.fill_random = [this](std::span<std::uint8_t> bytes) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  };
  options.env = env_.env();
  options.devices = disks_.size();
  options.boot_id = "boot " + std::to_string(boots_.load());
  options.open_disk = [this](std::size_t index) -> Result<std::unique_ptr<disk::Disk>> {
    if (index >= disks_.size()) return fail(ENXIO, "the world has no such device");
    return std::make_unique<Plugged>(*this, *disks_[index]);
  };
  return options;
}

Result<std::unique_ptr<engine::Pool>> World::open_pool(const engine::PoolOptions& options) {
  return engine::Pool::open(image_.directory(), options);
}

Result<engine::FsckReport> World::fsck(const engine::PoolOptions& options, const engine::FsckOptions& fsck_options) {
  return engine::fsck(image_.directory(), options, fsck_options);
}

bool World::counts_down(std::atomic<std::uint64_t>& countdown) {
  std::uint64_t left = countdown.load();
  while (left > 0) {
    if (countdown.compare_exchange_weak(left, left - 1)) return left == 1;
  }
  return false;
}

void World::slow_devices(std::int64_t delay_ns_max) {
  delay_ns_max_ = delay_ns_max;
  for (const auto& disk : disks_) disk->set_options({.delay_ns_max = delay_ns_max});
}

void World::goes() {
  if (powered_.exchange(false) && when_it_ends_) when_it_ends_();
}

void World::cut_disks() {
  goes();
  ++boots_;
  for (const auto& disk : disks_) disk->cut_power();
}

void World::cut_power() {
  cut_disks();
  env_.cut_power();
}

void World::kill() {
  goes();
  env_.kill();
}

void World::end_here() {
  if (kills_) {
    kill();
  } else {
    cut_power();
  }
}

void World::kill_at(Where where, std::uint64_t nth) {
  kills_ = true;
  if (where == Where::kDevices) {
    cut_countdown_ = nth;
  } else {
    env_.kill_at(nth, [this] { goes(); });
  }
}

void World::cut_power_at(Where where, std::uint64_t nth) {
  kills_ = false;
  if (where == Where::kDevices) {
    cut_countdown_ = nth;
  } else {
    env_.cut_power_at(nth, [this] { cut_disks(); });
  }
}

void World::restore_power() {
  cut_countdown_ = 0;
  flush_countdown_ = 0;
  flip_countdown_ = 0;
  kills_ = false;
  env_.cut_power_at(0, nullptr);
  for (const auto& disk : disks_) disk->restore_power();
  env_.restore_power();
  powered_ = true;
}

}  // namespace ross::sim
