#include "sim_env.h"

#include <rocksdb/env.h>
#include <rocksdb/system_clock.h>

#include <algorithm>

#include <utility>

#include "sim_file_system.h"

namespace ross::sim {

namespace {

// The machine's clock with short naps: RocksDB lies down for a second whenever a background job failed, and here
// every power cut makes one fail.
class NappingClock final : public rocksdb::SystemClockWrapper {
 public:
  NappingClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "NappingClock"; }
  void SleepForMicroseconds(int wanted_us) override {
    constexpr int kNapMaxUs = 100;
    target_->SleepForMicroseconds(std::min(wanted_us, kNapMaxUs));
  }
};

class WorldEnv final : public rocksdb::EnvWrapper {
 public:
  explicit WorldEnv(const std::shared_ptr<SimFileSystem>& files) : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<NappingClock>();
  }
  void SleepForMicroseconds(int wanted_us) override { system_clock_->SleepForMicroseconds(wanted_us); }
};

}  // namespace

SimEnv::SimEnv(std::uint64_t seed)
    : files_(std::make_shared<SimFileSystem>(seed)), env_(std::make_unique<WorldEnv>(files_)) {}
SimEnv::~SimEnv() = default;

rocksdb::Env* SimEnv::env() { return env_.get(); }
void SimEnv::cut_power() { files_->files().cut_power(); }
void SimEnv::restore_power() { files_->files().restore_power(); }
void SimEnv::cut_power_at(std::uint64_t nth, std::function<void()> on_cut) {
  files_->files().cut_power_at(nth, std::move(on_cut));
}
void SimEnv::kill() { files_->files().kill(); }
void SimEnv::kill_at(std::uint64_t nth, std::function<void()> on_kill) {
  files_->files().kill_at(nth, std::move(on_kill));
}
bool SimEnv::powered() const { return files_->files().powered(); }
void SimEnv::fail(EnvOperation operation, std::uint64_t nth, int error, bool sticky) {
  files_->files().fail(operation, nth, error, sticky);
}
void SimEnv::clear_failures() { files_->files().clear_failures(); }
void SimEnv::set_space_bytes(std::optional<std::uint64_t> space_bytes) { files_->files().set_space_bytes(space_bytes); }
std::uint64_t SimEnv::operations(EnvOperation operation) const { return files_->files().operations(operation); }
std::vector<EnvFile> SimEnv::files() const { return files_->files().files(); }
void SimEnv::add_file(const std::string& path, std::string bytes) { files_->files().add_file(path, std::move(bytes)); }
void SimEnv::write_back(const std::string& path) { files_->files().write_back(path); }
bool SimEnv::flip_bit(const std::string& path, std::uint64_t offset_bytes, unsigned bit) {
  return files_->files().flip_bit(path, offset_bytes, bit);
}

}  // namespace ross::sim
