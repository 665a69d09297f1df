#include "sim_env.h"

#include <rocksdb/env.h>
#include <rocksdb/system_clock.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

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

}  // namespace

class WorldEnv final : public rocksdb::EnvWrapper {
 public:
  explicit WorldEnv(const std::shared_ptr<SimFileSystem>& files) : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<NappingClock>();
  }
  void SleepForMicroseconds(int wanted_us) override { system_clock_->SleepForMicroseconds(wanted_us); }

  void hold_jobs() { holds_jobs_ = true; }
  std::size_t run_jobs();
  void Schedule(void (*run)(void*), void* argument, Priority priority, void* tag, void (*taken_back)(void*)) override;
  int UnSchedule(void* tag, Priority priority) override;
  unsigned int GetThreadPoolQueueLen(Priority priority) const override;

 private:
  struct Job {
    void (*run)(void*);
    void* argument;
    Priority priority;
    void* tag;
    void (*taken_back)(void*);
  };
  bool holds_jobs_ = false;  // constant once a database is open
  mutable std::mutex mutex_;
  std::deque<Job> jobs_;  // guarded by mutex_
};

// Called with the database's mutex held.
void WorldEnv::Schedule(void (*run)(void*), void* argument, Priority priority, void* tag, void (*taken_back)(void*)) {
  if (!holds_jobs_) return EnvWrapper::Schedule(run, argument, priority, tag, taken_back);
  const std::lock_guard lock(mutex_);
  jobs_.push_back({run, argument, priority, tag, taken_back});
}

int WorldEnv::UnSchedule(void* tag, Priority priority) {
  if (!holds_jobs_) return EnvWrapper::UnSchedule(tag, priority);
  std::vector<Job> taken;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(jobs_, [&](const Job& job) {
      if (job.tag != tag || job.priority != priority) return false;
      taken.push_back(job);
      return true;
    });
  }
  for (const Job& job : taken) {
    if (job.taken_back != nullptr) job.taken_back(job.argument);
  }
  return static_cast<int>(taken.size());
}

unsigned int WorldEnv::GetThreadPoolQueueLen(Priority priority) const {
  if (!holds_jobs_) return EnvWrapper::GetThreadPoolQueueLen(priority);
  const std::lock_guard lock(mutex_);
  return static_cast<unsigned int>(std::ranges::count(jobs_, priority, &Job::priority));
}

std::size_t WorldEnv::run_jobs() {
  std::size_t count = 0;
  for (;; ++count) {
    std::unique_lock lock(mutex_);
    if (jobs_.empty()) return count;
    const Job job = jobs_.front();
    jobs_.pop_front();
    lock.unlock();
    job.run(job.argument);
  }
}

SimEnv::SimEnv(std::uint64_t seed)
    : files_(std::make_shared<SimFileSystem>(seed)), env_(std::make_unique<WorldEnv>(files_)) {}
SimEnv::~SimEnv() = default;

rocksdb::Env* SimEnv::env() { return env_.get(); }
void SimEnv::hold_jobs() { env_->hold_jobs(); }
std::size_t SimEnv::run_jobs() { return env_->run_jobs(); }
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
