// SimFileSystem: SimFiles as RocksDB's FileSystem. Threading: any thread.
#pragma once

#include <rocksdb/file_system.h>

#include <memory>
#include <string>
#include <vector>

#include "sim_files.h"

namespace ross::sim {

class SimFileSystem final : public rocksdb::FileSystem {
 public:
  explicit SimFileSystem(std::uint64_t seed) : files_(seed) {}
  SimFiles& files() { return files_; }

  using Options = rocksdb::IOOptions;
  using Debug = rocksdb::IODebugContext;
  using IOStatus = rocksdb::IOStatus;

  const char* Name() const override { return "SimFileSystem"; }
  IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result, Debug* debug) override;
  IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result, Debug* debug) override;
  IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result, Debug* debug) override;
  IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result, Debug* debug) override;
  IOStatus NewDirectory(const std::string& path, const Options& options, std::unique_ptr<rocksdb::FSDirectory>* result,
                        Debug* debug) override;
  IOStatus FileExists(const std::string& path, const Options& options, Debug* debug) override;
  IOStatus GetChildren(const std::string& path, const Options& options, std::vector<std::string>* names,
                       Debug* debug) override;
  IOStatus DeleteFile(const std::string& path, const Options& options, Debug* debug) override;
  IOStatus CreateDir(const std::string& path, const Options& options, Debug* debug) override;
  IOStatus CreateDirIfMissing(const std::string& path, const Options& options, Debug* debug) override;
  IOStatus DeleteDir(const std::string& path, const Options& options, Debug* debug) override;
  IOStatus GetFileSize(const std::string& path, const Options& options, uint64_t* size, Debug* debug) override;
  IOStatus GetFileModificationTime(const std::string& path, const Options& options, uint64_t* time,
                                   Debug* debug) override;
  IOStatus RenameFile(const std::string& from, const std::string& to, const Options& options, Debug* debug) override;
  IOStatus LockFile(const std::string& path, const Options& options, rocksdb::FileLock** lock, Debug* debug) override;
  IOStatus UnlockFile(rocksdb::FileLock* lock, const Options& options, Debug* debug) override;
  IOStatus GetTestDirectory(const Options& options, std::string* path, Debug* debug) override;
  IOStatus NewLogger(const std::string& path, const Options& options, std::shared_ptr<rocksdb::Logger>* result,
                     Debug* debug) override;
  IOStatus GetAbsolutePath(const std::string& path, const Options& options, std::string* result, Debug* debug) override;
  IOStatus GetFreeSpace(const std::string& path, const Options& options, uint64_t* free, Debug* debug) override;
  IOStatus IsDirectory(const std::string& path, const Options& options, bool* is_directory, Debug* debug) override;

 private:
  SimFiles files_;
};

}  // namespace ross::sim
