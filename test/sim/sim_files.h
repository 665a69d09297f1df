// SimFiles: files and names in memory that know what of them is durable. The state behind SimEnv.
//
// Every call returns 0 or a positive errno. A handle is a file plus the power generation it was opened in; a handle of an
// earlier generation answers EIO for ever, as does everything while the power is off.
//
// Threading: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "sim_env.h"

namespace ross::sim {

class SimFiles {
 public:
  struct File {
    std::string bytes;
    std::uint64_t synced_bytes = 0;
    std::uint64_t changed_at = 0;  // a count of changes, as a time
  };
  struct Handle {
    std::shared_ptr<File> file;
    std::uint64_t generation = 0;
  };

  explicit SimFiles(std::uint64_t seed) : random_(seed) {}

  // ---- names ----
  int open(const std::string& path, Handle& handle);
  // Makes an empty file, replacing what the name held; keep_existing opens that instead.
  int create(const std::string& path, bool keep_existing, Handle& handle);
  int remove(const std::string& path);
  int rename(const std::string& from, const std::string& to);
  int make_directory(const std::string& path, bool or_existing);
  int remove_directory(const std::string& path);
  int exists(const std::string& path, bool& is_directory);
  int list(const std::string& directory, std::vector<std::string>& names);
  int sync_directory(const std::string& path, std::uint64_t generation);
  int stat(const std::string& path, EnvFile& stat, std::uint64_t& changed_at);
  int lock(const std::string& path);
  void unlock(const std::string& path);
  std::uint64_t generation() const;

  // ---- bytes ----
  int append(const Handle& handle, std::string_view bytes);
  int truncate(const Handle& handle, std::uint64_t size_bytes);
  int sync(const Handle& handle);
  int read(const Handle& handle, std::uint64_t offset_bytes, std::size_t size_bytes, char* into,
           std::size_t& read_bytes);
  std::uint64_t size(const Handle& handle) const;
  std::uint64_t free_bytes() const;

  // ---- what SimEnv offers; see there ----
  void cut_power();
  void restore_power();
  void cut_power_at(std::uint64_t nth, std::function<void()> on_cut);
  void kill();
  void kill_at(std::uint64_t nth, std::function<void()> on_kill);
  bool powered() const;
  void fail(EnvOperation operation, std::uint64_t nth, int error, bool sticky);
  void clear_failures();
  void set_space_bytes(std::optional<std::uint64_t> space_bytes);
  std::uint64_t operations(EnvOperation operation) const;
  std::vector<EnvFile> files() const;
  void add_file(const std::string& path, std::string bytes);
  void write_back(const std::string& path);
  bool flip_bit(const std::string& path, std::uint64_t offset_bytes, unsigned bit);

 private:
  using Names = std::map<std::string, std::shared_ptr<File>>;
  // One change of names: what went and what came, at once.
  struct Change {
    std::string removed;  // empty: nothing
    std::string added;    // empty: nothing
    std::shared_ptr<File> file;
  };
  struct Failure {
    std::uint64_t countdown = 0;  // 0: none
    int error = 0;
    bool sticky = false;
  };

  // Counts an operation; what it must fail with, or 0. A change that the power cut takes part in gets 0 and, in
  // cut_after, the word to call cut_now when it is done.
  int begin(EnvOperation operation, bool& cut_after);
  int finish(bool cut_after);
  void cut_now();
  static void apply(const Change& change, Names& names);
  static std::string directory_of(const std::string& path);
  void record(Change change);
  bool alive(const Handle& handle) const { return powered_ && handle.generation == generation_; }

  mutable std::mutex mutex_;
  // all guarded by mutex_
  Random random_;
  Names names_;                   // as programs see them
  Names durable_;                 // as the last syncs left them
  std::vector<Change> unsynced_;  // from durable_ to names_, oldest first
  std::set<std::string> directories_;
  std::set<std::string> locks_;
  std::uint64_t used_bytes_ = 0;
  std::optional<std::uint64_t> space_bytes_;
  std::array<std::uint64_t, 3> operations_{};
  std::array<Failure, 3> failures_;
  std::uint64_t cut_countdown_ = 0;  // 0: none
  std::function<void()> on_cut_;
  bool kills_ = false;  // the end to come is that of the process alone
  std::uint64_t generation_ = 1;
  std::uint64_t changes_ = 0;
  bool powered_ = true;
};

}  // namespace ross::sim
