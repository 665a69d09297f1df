#include "sim_file_system.h"

#include <cerrno>
#include <cstring>

namespace ross::sim {

namespace {

using rocksdb::IOStatus;
using Options = rocksdb::IOOptions;
using Debug = rocksdb::IODebugContext;

// As RocksDB's own POSIX file system tells errors apart.
IOStatus to_status(int error, const std::string& path) {
  switch (error) {
    case 0:
      return IOStatus::OK();
    case ENOENT:
      return IOStatus::PathNotFound(path, std::strerror(error));
    case ENOSPC:
      return IOStatus::NoSpace(path, std::strerror(error));
    default:
      return IOStatus::IOError(path, std::strerror(error));
  }
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  SequentialFile(SimFiles& files, SimFiles::Handle handle, std::string path)
      : files_(files), handle_(std::move(handle)), path_(std::move(path)) {}
  IOStatus Read(size_t size, const Options&, rocksdb::Slice* result, char* scratch, Debug*) override {
    std::size_t read_bytes = 0;
    const int error = files_.read(handle_, offset_, size, scratch, read_bytes);
    offset_ += read_bytes;
    *result = rocksdb::Slice(scratch, read_bytes);
    return to_status(error, path_);
  }
  IOStatus Skip(uint64_t size) override {
    offset_ = std::min<std::uint64_t>(offset_ + size, files_.size(handle_));
    return IOStatus::OK();
  }

 private:
  SimFiles& files_;
  const SimFiles::Handle handle_;
  const std::string path_;
  std::uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(SimFiles& files, SimFiles::Handle handle, std::string path)
      : files_(files), handle_(std::move(handle)), path_(std::move(path)) {}
  IOStatus Read(uint64_t offset, size_t size, const Options&, rocksdb::Slice* result, char* scratch,
                Debug*) const override {
    std::size_t read_bytes = 0;
    const int error = files_.read(handle_, offset, size, scratch, read_bytes);
    *result = rocksdb::Slice(scratch, read_bytes);
    return to_status(error, path_);
  }

 private:
  SimFiles& files_;
  const SimFiles::Handle handle_;
  const std::string path_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(SimFiles& files, SimFiles::Handle handle, std::string path)
      : files_(files), handle_(std::move(handle)), path_(std::move(path)) {}
  using FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice& data, const Options&, Debug*) override {
    return to_status(files_.append(handle_, {data.data(), data.size()}), path_);
  }
  IOStatus Truncate(uint64_t size, const Options&, Debug*) override {
    return to_status(size == files_.size(handle_) ? 0 : files_.truncate(handle_, size), path_);
  }
  IOStatus Close(const Options&, Debug*) override { return IOStatus::OK(); }
  IOStatus Flush(const Options&, Debug*) override { return IOStatus::OK(); }
  IOStatus Sync(const Options&, Debug*) override { return to_status(files_.sync(handle_), path_); }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const Options&, Debug*) override { return files_.size(handle_); }

 private:
  SimFiles& files_;
  const SimFiles::Handle handle_;
  const std::string path_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(SimFiles& files, std::uint64_t generation, std::string path)
      : files_(files), generation_(generation), path_(std::move(path)) {}
  IOStatus Fsync(const Options&, Debug*) override {
    return to_status(files_.sync_directory(path_, generation_), path_);
  }
  IOStatus Close(const Options&, Debug*) override { return IOStatus::OK(); }

 private:
  SimFiles& files_;
  const std::uint64_t generation_;
  const std::string path_;
};

class Lock final : public rocksdb::FileLock {
 public:
  explicit Lock(std::string path) : path_(std::move(path)) {}
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

// The store's own diary is of no use to a test that replays.
class NoLogger final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  size_t GetLogFileSize() const override { return 0; }
};

template <class Face, class Base>
IOStatus wrap(SimFiles& files, int error, SimFiles::Handle handle, const std::string& path,
              std::unique_ptr<Base>* result) {
  if (error == 0) *result = std::make_unique<Face>(files, std::move(handle), path);
  return to_status(error, path);
}

}  // namespace

IOStatus SimFileSystem::NewSequentialFile(const std::string& path, const rocksdb::FileOptions&,
                                          std::unique_ptr<rocksdb::FSSequentialFile>* result, Debug*) {
  SimFiles::Handle handle;
  const int error = files_.open(path, handle);
  return wrap<SequentialFile>(files_, error, std::move(handle), path, result);
}

IOStatus SimFileSystem::NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions&,
                                            std::unique_ptr<rocksdb::FSRandomAccessFile>* result, Debug*) {
  SimFiles::Handle handle;
  const int error = files_.open(path, handle);
  return wrap<RandomAccessFile>(files_, error, std::move(handle), path, result);
}

IOStatus SimFileSystem::NewWritableFile(const std::string& path, const rocksdb::FileOptions&,
                                        std::unique_ptr<rocksdb::FSWritableFile>* result, Debug*) {
  SimFiles::Handle handle;
  const int error = files_.create(path, false, handle);
  return wrap<WritableFile>(files_, error, std::move(handle), path, result);
}

IOStatus SimFileSystem::ReopenWritableFile(const std::string& path, const rocksdb::FileOptions&,
                                           std::unique_ptr<rocksdb::FSWritableFile>* result, Debug*) {
  SimFiles::Handle handle;
  const int error = files_.create(path, true, handle);
  return wrap<WritableFile>(files_, error, std::move(handle), path, result);
}

IOStatus SimFileSystem::NewDirectory(const std::string& path, const Options&,
                                     std::unique_ptr<rocksdb::FSDirectory>* result, Debug*) {
  bool is_directory = false;
  int error = files_.exists(path, is_directory);
  if (error == 0 && !is_directory) error = ENOTDIR;
  if (error == 0) *result = std::make_unique<Directory>(files_, files_.generation(), path);
  return to_status(error, path);
}

IOStatus SimFileSystem::FileExists(const std::string& path, const Options&, Debug*) {
  bool is_directory = false;
  const int error = files_.exists(path, is_directory);
  return error == ENOENT ? IOStatus::NotFound(path) : to_status(error, path);
}

IOStatus SimFileSystem::GetChildren(const std::string& path, const Options&, std::vector<std::string>* names, Debug*) {
  names->clear();
  const int error = files_.list(path, *names);
  return error == ENOENT ? IOStatus::NotFound(path) : to_status(error, path);
}

IOStatus SimFileSystem::DeleteFile(const std::string& path, const Options&, Debug*) {
  return to_status(files_.remove(path), path);
}

IOStatus SimFileSystem::CreateDir(const std::string& path, const Options&, Debug*) {
  return to_status(files_.make_directory(path, false), path);
}

IOStatus SimFileSystem::CreateDirIfMissing(const std::string& path, const Options&, Debug*) {
  return to_status(files_.make_directory(path, true), path);
}

IOStatus SimFileSystem::DeleteDir(const std::string& path, const Options&, Debug*) {
  return to_status(files_.remove_directory(path), path);
}

IOStatus SimFileSystem::GetFileSize(const std::string& path, const Options&, uint64_t* size, Debug*) {
  EnvFile stat;
  std::uint64_t changed_at = 0;
  const int error = files_.stat(path, stat, changed_at);
  *size = stat.size_bytes;
  return to_status(error, path);
}

IOStatus SimFileSystem::GetFileModificationTime(const std::string& path, const Options&, uint64_t* time, Debug*) {
  EnvFile stat;
  const int error = files_.stat(path, stat, *time);
  return to_status(error, path);
}

IOStatus SimFileSystem::RenameFile(const std::string& from, const std::string& to, const Options&, Debug*) {
  return to_status(files_.rename(from, to), from);
}

IOStatus SimFileSystem::LockFile(const std::string& path, const Options&, rocksdb::FileLock** lock, Debug*) {
  const int error = files_.lock(path);
  *lock = error == 0 ? new Lock(path) : nullptr;
  return to_status(error, path);
}

IOStatus SimFileSystem::UnlockFile(rocksdb::FileLock* lock, const Options&, Debug*) {
  const std::unique_ptr<Lock> ours(static_cast<Lock*>(lock));
  files_.unlock(ours->path());
  return IOStatus::OK();
}

IOStatus SimFileSystem::GetTestDirectory(const Options&, std::string* path, Debug*) {
  *path = "/test";
  return to_status(files_.make_directory(*path, true), *path);
}

IOStatus SimFileSystem::NewLogger(const std::string&, const Options&, std::shared_ptr<rocksdb::Logger>* result,
                                  Debug*) {
  *result = std::make_shared<NoLogger>();
  return IOStatus::OK();
}

IOStatus SimFileSystem::GetAbsolutePath(const std::string& path, const Options&, std::string* result, Debug*) {
  *result = path.starts_with('/') ? path : "/" + path;
  return IOStatus::OK();
}

IOStatus SimFileSystem::GetFreeSpace(const std::string&, const Options&, uint64_t* free, Debug*) {
  *free = files_.free_bytes();
  return IOStatus::OK();
}

IOStatus SimFileSystem::IsDirectory(const std::string& path, const Options&, bool* is_directory, Debug*) {
  return to_status(files_.exists(path, *is_directory), path);
}

}  // namespace ross::sim
