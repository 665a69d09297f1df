// SimEnv: the world of a metadata store, in memory, that a seed can break.
//
// RocksDB keeps its files here instead of on the machine's disk. A power cut loses what no sync covered: the unsynced end
// of a file is cut at any byte, a name that was made, replaced or removed since its directory's last sync is there or not.
// Reads, changes and syncs fail on demand, space runs out, stored bits flip.
//
//   sim::SimEnv world(seed);
//   rocksdb::Options options;
//   options.env = world.env();
//   ... run a workload ...
//   world.cut_power();          // from here on everything fails with EIO
//   ... destroy the database ...
//   world.restore_power();      // what survived can be opened
//
// What a cut keeps of the names in a directory is, by the dice, either a run of the first changes in order (a journal),
// or any choice among them. A sync of a file keeps its bytes and the name it was made under, as the usual file systems do.
// Making a directory is durable at once. Locks go with the power.
//
// Not deterministic: RocksDB's background jobs run on the threads of Env::Default(), so the order of their operations
// among those of the foreground, and with it what "the nth operation" hits, may differ between runs of one seed as
// soon as there are such jobs (flushes and compactions; none in a store smaller than its write buffer). Unless they are held
// (hold_jobs()): then they run where the caller says, on its thread. Time is the machine's. Files are never on the machine's disk.
//
// Ownership: outlives every database in it. Threading: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rocksdb {
class Env;
}

namespace ross::sim {

// What can be counted and made to fail: reads of bytes and names; appends, truncations and changes of names; syncs of
// files and directories.
enum class EnvOperation : std::uint8_t { kRead, kChange, kSync };

struct EnvFile {
  std::string path;
  std::uint64_t size_bytes = 0;
  std::uint64_t synced_bytes = 0;
};

class SimFileSystem;
class WorldEnv;

class SimEnv {
 public:
  explicit SimEnv(std::uint64_t seed);
  ~SimEnv();
  SimEnv(const SimEnv&) = delete;
  SimEnv& operator=(const SimEnv&) = delete;

  [[nodiscard]] rocksdb::Env* env();

  // Before the first database is opened: background jobs wait for run_jobs(). A database that is closed takes its own back.
  void hold_jobs();
  // Runs those that wait, and those that they ask for, on this thread, which is in no call of a database. How many ran.
  std::size_t run_jobs();

  // Rolls the dice for everything unsynced. Handles opened before never work again.
  void cut_power();
  void restore_power();
  // Cuts the power by itself at the nth change or sync from now (1 is the next): a change takes part in the dice, a
  // sync does not take place. Then on_cut runs, on the thread of that operation; it must not call back into here.
  void cut_power_at(std::uint64_t nth, std::function<void()> on_cut);
  // The end of the process alone: nothing is lost, but handles opened before never work again, and nothing works until
  // restore_power(). kill_at() is as cut_power_at(), and may leave an append half done.
  void kill();
  void kill_at(std::uint64_t nth, std::function<void()> on_kill);
  [[nodiscard]] bool powered() const;

  // Fails the nth such operation from now with error (EIO or ENOSPC); every later one as well when sticky.
  void fail(EnvOperation operation, std::uint64_t nth, int error, bool sticky = false);
  void clear_failures();
  // Bytes that all files together may take; an append that does not fit writes what fits and fails with ENOSPC.
  void set_space_bytes(std::optional<std::uint64_t> space_bytes);

  // Operations done or refused so far.
  [[nodiscard]] std::uint64_t operations(EnvOperation operation) const;
  [[nodiscard]] std::vector<EnvFile> files() const;
  // A file that was always there: durable, as are the directories above it.
  void add_file(const std::string& path, std::string bytes);
  // What the kernel does by itself at times: the file, if it is there, survives a cut as it is now.
  void write_back(const std::string& path);
  // Flips one stored bit; false when there is no such file or byte.
  bool flip_bit(const std::string& path, std::uint64_t offset_bytes, unsigned bit);

 private:
  const std::shared_ptr<SimFileSystem> files_;
  const std::unique_ptr<WorldEnv> env_;
};

}  // namespace ross::sim
