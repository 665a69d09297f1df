// Pools of model file systems in place of the machine's: what the face's tests run on.
//
// Linking model_pool_for_test.cc brings its own open_backend(): any pool name but "missing" is a pool that stays for the test's
// life. A gate can hold back every read and write, so that tests see events that are under way.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "faces/dfs/backend.h"
#include "model/model_file_system.h"
#include "runtime/sync.h"

namespace ross::dfs {

// A model whose reads and writes wait while the gate is shut.
class GatedModel final : public model::ModelFileSystem {
 public:
  explicit GatedModel(Clock& clock) : ModelFileSystem(clock) {}
  void close_gate();
  void open_gate();
  // Blocks until that many reads and writes wait at the gate.
  void await_waiting(unsigned count);
  // What the next sync answers.
  void fail_next_sync(int error);
  [[nodiscard]] unsigned syncs() const { return syncs_; }

  fs::Async<std::uint64_t> read(fs::FileId file, std::uint64_t offset_bytes, memory::Memory into) override;
  fs::Async<std::uint64_t> write(fs::FileId file, std::uint64_t offset_bytes, memory::Memory from) override;
  fs::AsyncStatus sync() override;

 private:
  fs::Async<std::uint64_t> pass(fs::FileId file, std::uint64_t offset_bytes, memory::Memory memory, bool reads);
  std::mutex mutex_;
  std::condition_variable waiting_changed_;
  runtime::WaitQueue opened_;
  bool shut_ = false;
  unsigned waiting_ = 0;
  int sync_error_ = 0;
  unsigned syncs_ = 0;
};

// The container's file system, to look behind the interface; null if there is no such container.
std::shared_ptr<GatedModel> model_of(const std::string& pool, const std::string& container);
void forget_pools();

}  // namespace ross::dfs
