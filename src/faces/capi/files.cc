// Calls that work on open files and directories.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faces/capi/handles.h"
#include "faces/capi/walk.h"
#include "fs/path.h"

namespace {

using ross::Result;
using ross::Status;
using ross::capi::counted;
using ross::capi::done;
using ross::capi::guarded;
using ross::capi::kNullArgument;
using ross::capi::run;
using ross::capi::tell;
using ross::fs::Attr;
using ross::memory::Memory;

constexpr int kFlagsKnown = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC;
constexpr std::uint64_t kOffsetMax = INT64_MAX;

// Null when the transfer's arguments make sense.
const char* bad_transfer(const ross_file* file, const void* data, std::size_t length, std::uint64_t offset) {
  if (file == nullptr || (data == nullptr && length != 0)) return kNullArgument;
  if (length > ROSS_IO_BYTES_MAX) return "more than ROSS_IO_BYTES_MAX bytes in one call: split it";
  if (offset > kOffsetMax) return "the offset is beyond 2^63 - 1";
  return nullptr;
}

int truncate_file(ross_file* file, std::uint64_t size_bytes) {
  ross::fs::SetAttr wanted;
  wanted.size_bytes = size_bytes;
  const Result<Attr> changed = run(file->store->fs().setattr(file->store->cred, file->node, wanted, file->id));
  return changed.has_value() ? 0 : tell(changed.error());
}

}  // namespace

int ross_open(ross_store* store, const char* path, int flags, uint32_t mode, ross_file** file) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr || file == nullptr) return tell(EINVAL, kNullArgument);
    if ((flags & ~kFlagsKnown) != 0 || (flags & O_ACCMODE) == O_ACCMODE) {
      return tell(EINVAL, "a flag that ross_open does not know: see ross.h");
    }
    auto made = std::make_unique<ross_file>();
    const Result<ross::fs::Opened> opened = run(ross::capi::open_path(store->fs(), store->cred, path, flags, mode));
    if (!opened.has_value()) return tell(opened.error());
    made->store = store;
    made->id = opened->file;
    made->node = opened->attr.node;
    made->append = (flags & O_APPEND) != 0;
    ++store->open_handles;
    *file = made.release();
    return 0;
  });
}

int ross_create(ross_store* store, const char* path, uint32_t mode, ross_file** file) {
  return ross_open(store, path, O_RDWR | O_CREAT | O_TRUNC, mode, file);
}

int ross_close(ross_file* file) {
  return guarded([&]() -> int {
    if (file == nullptr) return tell(EINVAL, kNullArgument);
    if (file->inflight.load() != 0) return tell(EBUSY, "queued operations on the file are in flight: poll them first");
    const Status status = run(file->store->fs().close(file->id));
    --file->store->open_handles;
    delete file;
    return done(status);
  });
}

int64_t ross_pread(ross_file* file, void* data, size_t length, uint64_t offset) {
  return guarded([&]() -> int64_t {
    if (const char* bad = bad_transfer(file, data, length, offset)) return tell(EINVAL, bad);
    return counted(run(file->store->fs().read(file->id, offset, Memory(data, length))));
  });
}

int64_t ross_pwrite(ross_file* file, const void* data, size_t length, uint64_t offset) {
  return guarded([&]() -> int64_t {
    if (const char* bad = bad_transfer(file, data, length, offset)) return tell(EINVAL, bad);
    return counted(run(file->store->fs().write(file->id, offset, Memory::for_write(data, length))));
  });
}

int64_t ross_read(ross_file* file, void* data, size_t length) {
  if (file == nullptr) return tell(EINVAL, kNullArgument);
  const int64_t got = ross_pread(file, data, length, file->position);
  if (got > 0) file->position += static_cast<std::uint64_t>(got);
  return got;
}

int64_t ross_write(ross_file* file, const void* data, size_t length) {
  return guarded([&]() -> int64_t {
    if (file == nullptr) return tell(EINVAL, kNullArgument);
    const int64_t put = ross_pwrite(file, data, length, file->position);
    if (put < 0) return put;
    if (!file->append) {
      file->position += static_cast<std::uint64_t>(put);
      return put;
    }
    // As in POSIX the position is behind what was appended, as far as other appenders let us tell.
    const Result<Attr> attr = run(file->store->fs().getattr(file->node));
    if (attr.has_value()) file->position = attr->size_bytes;
    return put;
  });
}

int64_t ross_seek(ross_file* file, int64_t offset, int whence) {
  return guarded([&]() -> int64_t {
    if (file == nullptr) return tell(EINVAL, kNullArgument);
    std::int64_t base = 0;
    if (whence == SEEK_DATA || whence == SEEK_HOLE) {
      if (offset < 0) return tell(Status(ENXIO));
      const auto kind = whence == SEEK_DATA ? ross::fs::SeekKind::kData : ross::fs::SeekKind::kHole;
      const Result<std::uint64_t> found =
          run(file->store->fs().seek(file->id, kind, static_cast<std::uint64_t>(offset)));
      if (!found.has_value()) return tell(found.error());
      file->position = *found;
      return static_cast<std::int64_t>(*found);
    }
    if (whence == SEEK_CUR) {
      base = static_cast<std::int64_t>(file->position);
    } else if (whence == SEEK_END) {
      const Result<Attr> attr = run(file->store->fs().getattr(file->node));
      if (!attr.has_value()) return tell(attr.error());
      base = static_cast<std::int64_t>(attr->size_bytes);
    } else if (whence != SEEK_SET) {
      return tell(EINVAL, "whence is none of SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA and SEEK_HOLE");
    }
    std::int64_t at = 0;
    if (__builtin_add_overflow(base, offset, &at)) return tell(Status(EOVERFLOW));
    if (at < 0) return tell(EINVAL, "the position would be negative");
    file->position = static_cast<std::uint64_t>(at);
    return at;
  });
}

int64_t ross_append(ross_file* file, const void* data, size_t length) {
  if (file == nullptr) return tell(EINVAL, kNullArgument);
  if (!file->append) return tell(EINVAL, "ross_append needs a file opened with O_APPEND");
  return ross_pwrite(file, data, length, 0);
}

int ross_fstat(ross_file* file, ross_attr* attr) {
  return guarded([&]() -> int {
    if (file == nullptr || attr == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Attr> found = run(file->store->fs().getattr(file->node));
    if (!found.has_value()) return tell(found.error());
    return done(ross::capi::give_struct(ross::capi::to_attr(*found), attr));
  });
}

int ross_ftruncate(ross_file* file, uint64_t size_bytes) {
  return guarded([&]() -> int {
    if (file == nullptr) return tell(EINVAL, kNullArgument);
    return truncate_file(file, size_bytes);
  });
}

int ross_fsync(ross_file* file) {
  return guarded([&]() -> int {
    if (file == nullptr) return tell(EINVAL, kNullArgument);
    return done(run(file->store->fs().fsync(file->id, false)));
  });
}

int ross_fdatasync(ross_file* file) {
  return guarded([&]() -> int {
    if (file == nullptr) return tell(EINVAL, kNullArgument);
    return done(run(file->store->fs().fsync(file->id, true)));
  });
}

int ross_opendir(ross_store* store, const char* path, ross_dir** dir) {
  return guarded([&]() -> int {
    if (store == nullptr || path == nullptr || dir == nullptr) return tell(EINVAL, kNullArgument);
    const Result<Attr> attr =
        run(ross::fs::resolve(store->fs(), store->cred, ross::fs::kRootNode, path, ross::fs::Follow::kYes));
    if (!attr.has_value()) return tell(attr.error());
    if (!S_ISDIR(attr->mode)) return tell(Status(ENOTDIR));
    const Status readable = run(store->fs().access(store->cred, attr->node, R_OK));
    if (!readable.ok()) return tell(readable);
    auto made = std::make_unique<ross_dir>();
    made->store = store;
    made->node = attr->node;
    ++store->open_handles;
    *dir = made.release();
    return 0;
  });
}

int ross_readdir(ross_dir* dir, ross_dirent* entry) {
  return guarded([&]() -> int {
    if (dir == nullptr || entry == nullptr) return tell(EINVAL, kNullArgument);
    if (dir->next == dir->entries.size() && !dir->at_end) {
      ross::fs::ReaddirOptions options;
      options.cursor = dir->cursor;
      Result<std::vector<ross::fs::DirEntry>> more =
          run(dir->store->fs().readdir(dir->store->cred, dir->node, options));
      if (!more.has_value()) return tell(more.error());
      dir->entries = *std::move(more);
      dir->next = 0;
      dir->at_end = dir->entries.empty();
      if (!dir->at_end) dir->cursor = dir->entries.back().cursor;
    }
    if (dir->at_end) return 0;
    const ross::fs::DirEntry& next = dir->entries[dir->next];
    ross_dirent filled{};
    filled.node = next.node.value;
    filled.type = next.type;
    if (next.name.size() > ROSS_NAME_BYTES_MAX) return tell(EIO, "the store gave a name of more than 255 bytes");
    std::memcpy(filled.name, next.name.data(), next.name.size());
    if (const Status status = ross::capi::give_struct(filled, entry); !status.ok()) return tell(status);
    ++dir->next;
    return 1;
  });
}

int ross_closedir(ross_dir* dir) {
  if (dir == nullptr) return tell(EINVAL, kNullArgument);
  --dir->store->open_handles;
  delete dir;
  return 0;
}
