// ModelFileSystem: a FileSystem in memory, as plain as can be: the oracle the engine is compared with.
//
// Every call takes one mutex, does its work on a ModelState and is done; only a lock that waits suspends. Given the
// same clock and calls it does the same, node ids included. There is no crash in it: state() is what one would leave
// if everything were synced.
//
//   SimClock clock;
//   model::ModelFileSystem fs(clock);
//   auto made = loop->block_on(fs.mkdir(cred, fs::kRootNode, "train", 0755));
//   model::ModelState snapshot = fs.state();
//
// Where POSIX leaves a choice it does what Linux does. Limits: capacity_bytes of content, else memory.
// Ownership: borrows the clock. Threading: any thread that drives a loop; a snapshot belongs to the thread that uses
// the file system until that one changes no more.
#pragma once

#include <list>
#include <map>
#include <mutex>
#include <type_traits>

#include "base/clock.h"
#include "base/units.h"
#include "fs/file_system.h"
#include "lock_table.h"
#include "model_state.h"
#include "runtime/sync.h"

namespace ross::model {

struct ModelOptions {
  std::uint64_t capacity_bytes = 1 * kTiB;
};

class ModelFileSystem : public fs::FileSystem {
 public:
  explicit ModelFileSystem(Clock& clock, ModelOptions options = {})
      : ModelFileSystem(clock, ModelState(clock.realtime_ns()), options) {}
  // Goes on from a state, as after a restart.
  ModelFileSystem(Clock& clock, ModelState state, ModelOptions options = {});

  // What would be there after a restart.
  [[nodiscard]] ModelState state() const;

  fs::Async<fs::Attr> lookup(const fs::Credential& cred, fs::NodeId parent, std::string_view name) override;
  fs::Async<fs::NodeId> parent(fs::NodeId node) override;
  fs::Async<fs::Attr> mkdir(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                            std::uint32_t mode) override;
  fs::Async<fs::Attr> mknod(const fs::Credential& cred, fs::NodeId parent, std::string_view name, std::uint32_t mode,
                            std::uint64_t rdev) override;
  fs::Async<fs::Attr> symlink(const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                              std::string_view target) override;
  fs::Async<std::string> readlink(fs::NodeId node) override;
  fs::Async<fs::Attr> link(const fs::Credential& cred, fs::NodeId node, fs::NodeId parent,
                           std::string_view name) override;
  fs::AsyncStatus unlink(const fs::Credential& cred, fs::NodeId parent, std::string_view name) override;
  fs::AsyncStatus rmdir(const fs::Credential& cred, fs::NodeId parent, std::string_view name) override;
  fs::AsyncStatus rename(const fs::Credential& cred, fs::NodeId parent, std::string_view name, fs::NodeId new_parent,
                         std::string_view new_name, fs::RenameFlags flags) override;
  fs::Async<std::vector<fs::DirEntry>> readdir(const fs::Credential& cred, fs::NodeId directory,
                                               const fs::ReaddirOptions& options) override;

  fs::Async<fs::Attr> getattr(fs::NodeId node) override;
  fs::Async<fs::Attr> setattr(const fs::Credential& cred, fs::NodeId node, const fs::SetAttr& change,
                              std::optional<fs::FileId> file = std::nullopt) override;
  fs::AsyncStatus access(const fs::Credential& cred, fs::NodeId node, int mask) override;
  fs::Async<std::string> getxattr(const fs::Credential& cred, fs::NodeId node, std::string_view name) override;
  fs::AsyncStatus setxattr(const fs::Credential& cred, fs::NodeId node, std::string_view name, std::string_view value,
                           fs::XattrFlags flags) override;
  fs::Async<std::vector<std::string>> listxattr(const fs::Credential& cred, fs::NodeId node) override;
  fs::AsyncStatus removexattr(const fs::Credential& cred, fs::NodeId node, std::string_view name) override;

  fs::Async<fs::Opened> open(const fs::Credential& cred, fs::NodeId node, fs::OpenFlags flags) override;
  fs::Async<fs::Opened> create(const fs::Credential& cred, fs::NodeId parent, std::string_view name, std::uint32_t mode,
                               fs::OpenFlags flags) override;
  fs::Async<fs::Opened> create_unnamed(const fs::Credential& cred, fs::NodeId parent, std::uint32_t mode) override;
  fs::AsyncStatus publish(const fs::Credential& cred, fs::FileId file, fs::NodeId parent,
                          std::string_view name) override;
  fs::AsyncStatus close(fs::FileId file) override;
  fs::Async<std::uint64_t> read(fs::FileId file, std::uint64_t offset_bytes, memory::Memory into) override;
  fs::Async<std::uint64_t> write(fs::FileId file, std::uint64_t offset_bytes, memory::Memory from) override;
  fs::AsyncStatus fallocate(fs::FileId file, fs::Fallocate kind, std::uint64_t offset_bytes,
                            std::uint64_t size_bytes) override;
  fs::Async<std::uint64_t> seek(fs::FileId file, fs::SeekKind kind, std::uint64_t offset_bytes) override;
  fs::AsyncStatus fsync(fs::FileId file, bool data_only) override;
  fs::AsyncStatus sync() override;

  fs::AsyncStatus lock(fs::FileId file, const fs::LockRange& range, bool wait) override;
  fs::Async<fs::LockRange> test_lock(fs::FileId file, const fs::LockRange& range) override;
  fs::AsyncStatus unlock_owner(fs::FileId file, std::uint64_t owner) override;

  fs::Async<fs::StatFs> statfs() override;

 private:
  using Done = Result<void>;
  struct OpenFile {
    fs::NodeId node;
    fs::OpenFlags flags;
    bool privileged = false;  // opened by uid 0: writing leaves set-id bits alone
  };
  struct LockWait {
    fs::NodeId node;
    fs::LockRange range;
    bool interrupted = false;
  };

  // Runs call under the mutex; its result is the task's.
  template <class Call>
  auto locked(Call&& call) {
    const std::lock_guard lock(mutex_);
    if constexpr (std::is_same_v<std::invoke_result_t<Call>, Done>) {
      Done done = call();
      return fs::AsyncStatus::ready(done ? Status() : std::move(done).error());
    } else {
      return runtime::Task<std::invoke_result_t<Call>>::ready(call());
    }
  }

  // ---- model_file_system.cc: what the others stand on ----
  [[nodiscard]] std::int64_t now() const { return clock_.realtime_ns(); }
  [[nodiscard]] static fs::Attr attr_of(const Node& node);
  Result<Node*> node_at(fs::NodeId id);
  Result<OpenFile*> file_at(fs::FileId id);
  // The directory if name may be looked up in it.
  Result<Node*> directory_at(const fs::Credential& cred, fs::NodeId id, std::string_view name);
  // Whether cred may add an entry to directory.
  static Done may_add(const fs::Credential& cred, const Node& directory);
  // Whether cred may take node's entry out of directory.
  static Done may_take(const fs::Credential& cred, const Node& directory, const Node& node);
  static fs::NodeId entry_of(const Node& directory, std::string_view name);  // value 0: none
  // The node id as it would be made in directory: ids, group and set-gid inheritance, times.
  Node fresh(const fs::Credential& cred, const Node& directory, std::uint32_t mode) const;
  void changed(Node& node, bool content);
  // Takes away one name; frees what nothing holds any more.
  void drop_link(Node& node);
  void free_if_unused(fs::NodeId id);
  void touch_atime(fs::NodeId id);

  Result<fs::Attr> make(const fs::Credential& cred, fs::NodeId parent, std::string_view name, Node node);
  Result<fs::Opened> open_node(const fs::Credential& cred, fs::NodeId node, fs::OpenFlags flags);
  fs::Opened opened(const fs::Credential& cred, fs::NodeId node, fs::OpenFlags flags, bool created);
  Done resize(Node& node, std::uint64_t size_bytes);
  Done rename_locked(const fs::Credential& cred, fs::NodeId parent, std::string_view name, fs::NodeId new_parent,
                     std::string_view new_name, fs::RenameFlags flags);
  Done may_replace(const fs::Credential& cred, const Node& directory, const Node& moved, const Node& target);
  void replace_entry(fs::NodeId directory, std::string_view name, fs::NodeId moved, fs::NodeId target);
  void set_parent(fs::NodeId moved, fs::NodeId from, fs::NodeId to);
  [[nodiscard]] bool holds(fs::NodeId ancestor, fs::NodeId node) const;
  Result<fs::Attr> setattr_locked(const fs::Credential& cred, fs::NodeId id, const fs::SetAttr& change,
                                  std::optional<fs::FileId> file);
  Result<std::uint64_t> write_locked(fs::FileId file, std::uint64_t offset_bytes, const memory::Memory& from);
  Done fallocate_locked(fs::FileId file, fs::Fallocate kind, std::uint64_t offset_bytes, std::uint64_t size_bytes);
  Result<fs::NodeId> lockable(fs::FileId file, const fs::LockRange& range);
  [[nodiscard]] bool waits_for_ever(fs::NodeId node, const fs::LockRange& range) const;

  Clock& clock_;
  const ModelOptions options_;
  mutable std::mutex mutex_;
  // guarded by mutex_
  ModelState state_;
  std::map<fs::FileId, OpenFile> open_files_;
  std::map<fs::NodeId, std::uint32_t> open_counts_;
  std::uint64_t next_file_ = 1;
  std::map<fs::NodeId, LockTable> locks_;
  std::list<LockWait> lock_waits_;
  runtime::WaitQueue lock_queue_;
};

}  // namespace ross::model
