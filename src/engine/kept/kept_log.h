// KeptLog: what was changed since the last commit, written where the end of the process does not reach it: into the page cache.
//
// A keep appends what changed since the keep before as one record to a file in the pool's directory, and flushes nothing. When the
// process is killed, opening the pool adds the records to the store (replay.h). When the machine goes down the log is worth
// nothing, and is recognised by its boot id; the store is then what the last commit made it. Nobody ever flushes the log.
//
// There is a log for each transaction, at most two at a time: the open one's and the committing one's. They take turns in
// two file names. forget() removes one when its transaction is in the store.
//
// Ownership: one per pool. Threading: append() by one thread at a time; forget() of the committing transaction beside it.
// Errors: the file system's; a log that failed takes nothing more and is not to be relied on from there.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "engine/format/kept.h"
#include "engine/pool.h"

namespace rocksdb {
class WritableFile;
}

namespace ross::engine {

class KeptLog {
 public:
  struct Place {
    rocksdb::Env* env = nullptr;  // null: the machine's
    std::string directory;        // the pool's
    std::string boot_id;          // of the machine as it runs now
    // The file that has a transaction's log.
    [[nodiscard]] std::string path(std::uint64_t transaction) const;
    static Place of(std::string directory, const PoolOptions& options);
    [[nodiscard]] rocksdb::Env& files() const;
  };
  KeptLog(Place place, const format::Uuid& uuid);
  ~KeptLog();
  KeptLog(const KeptLog&) = delete;
  KeptLog& operator=(const KeptLog&) = delete;

  // A record of `transaction`; the first one makes its file. records_before: of the transaction before.
  Status append(std::uint64_t transaction, std::uint32_t records_before, format::KeptRecord& record);
  // The transaction is in the store.
  void forget(std::uint64_t transaction);

  // Removes what logs there are.
  static Status remove(const Place& place);

 private:
  struct File {
    std::unique_ptr<rocksdb::WritableFile> file;
    std::uint64_t transaction = 0;
  };
  [[nodiscard]] File& file_of(std::uint64_t transaction) { return files_[transaction % files_.size()]; }
  const Place place_;
  const format::Uuid uuid_;
  std::array<File, 2> files_;
};

}  // namespace ross::engine
