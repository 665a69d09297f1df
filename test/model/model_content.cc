// Content: reading, writing, holes.
#include <sys/stat.h>

#include <algorithm>

#include "model_file_system.h"
#include "permission.h"

namespace ross::model {

using fs::FileId;

fs::Async<std::uint64_t> ModelFileSystem::read(FileId file, std::uint64_t offset_bytes, memory::Memory into) {
  return locked([&]() -> Result<std::uint64_t> {
    ROSS_TRY(const OpenFile* open, file_at(file));
    const Node& node = *state_.find(open->node);
    if (S_ISDIR(node.attr.mode)) return fail(EISDIR);
    if (!open->flags.read) return fail(EBADF);
    if (into.size_bytes() == 0) return 0;
    touch_atime(open->node);
    if (offset_bytes >= node.attr.size_bytes) return 0;
    const std::uint64_t size = std::min<std::uint64_t>(into.size_bytes(), node.attr.size_bytes - offset_bytes);
    node.content.read(offset_bytes, size, into);
    return size;
  });
}

fs::Async<std::uint64_t> ModelFileSystem::write(FileId file, std::uint64_t offset_bytes, memory::Memory from) {
  return locked([&]() -> Result<std::uint64_t> { return write_locked(file, offset_bytes, from); });
}

Result<std::uint64_t> ModelFileSystem::write_locked(FileId file, std::uint64_t offset_bytes,
                                                    const memory::Memory& from) {
  ROSS_TRY(const OpenFile* open, file_at(file));
  if (!open->flags.write) return fail(EBADF);
  const std::uint64_t size = from.size_bytes();
  if (size == 0) return 0;
  Node& node = *state_.edit(open->node);
  const std::uint64_t begin = open->flags.append ? node.attr.size_bytes : offset_bytes;
  if (begin > fs::kFileBytesMax || size > fs::kFileBytesMax - begin) return fail(EFBIG);
  if (node.content.bytes_to_take(begin, begin + size) > options_.capacity_bytes - state_.used_bytes()) {
    return fail(ENOSPC);
  }
  state_.change_content(node, [&](FileContent& content) { content.write(begin, from); });
  node.attr.size_bytes = std::max(node.attr.size_bytes, begin + size);
  if (!open->privileged) node.attr.mode = without_set_id(node.attr.mode);
  changed(node, true);
  return size;
}

fs::AsyncStatus ModelFileSystem::fallocate(FileId file, fs::Fallocate kind, std::uint64_t offset_bytes,
                                           std::uint64_t size_bytes) {
  return locked([&]() -> Done { return fallocate_locked(file, kind, offset_bytes, size_bytes); });
}

ModelFileSystem::Done ModelFileSystem::fallocate_locked(FileId file, fs::Fallocate kind, std::uint64_t offset_bytes,
                                                        std::uint64_t size_bytes) {
  ROSS_TRY(const OpenFile* open, file_at(file));
  if (!open->flags.write) return fail(EBADF);
  if (size_bytes == 0) return fail(EINVAL);
  if (offset_bytes > fs::kFileBytesMax || size_bytes > fs::kFileBytesMax - offset_bytes) return fail(EFBIG);
  const std::uint64_t end = offset_bytes + size_bytes;
  const bool punch = kind == fs::Fallocate::kPunchHole;
  const bool allocate = kind == fs::Fallocate::kAllocate || kind == fs::Fallocate::kAllocateKeepSize;
  Node& node = *state_.edit(open->node);
  const std::uint64_t space_left = options_.capacity_bytes - state_.used_bytes();
  if (!punch && node.content.bytes_to_take(offset_bytes, end) > space_left) return fail(ENOSPC);
  state_.change_content(node, [&](FileContent& content) {
    if (allocate) {
      content.reserve(offset_bytes, end);
    } else {
      content.zero(offset_bytes, end, !punch);
    }
  });
  const bool grows = kind == fs::Fallocate::kAllocate || kind == fs::Fallocate::kZeroRange;
  if (grows) node.attr.size_bytes = std::max(node.attr.size_bytes, end);
  if (!open->privileged) node.attr.mode = without_set_id(node.attr.mode);
  changed(node, true);
  return {};
}

fs::Async<std::uint64_t> ModelFileSystem::seek(FileId file, fs::SeekKind kind, std::uint64_t offset_bytes) {
  return locked([&]() -> Result<std::uint64_t> {
    ROSS_TRY(const OpenFile* open, file_at(file));
    const Node& node = *state_.find(open->node);
    if (!S_ISREG(node.attr.mode)) return fail(EINVAL);
    const std::uint64_t size = node.attr.size_bytes;
    if (offset_bytes >= size) return fail(ENXIO);
    if (kind == fs::SeekKind::kHole) return std::min(size, node.content.next_hole(offset_bytes));
    const std::optional<std::uint64_t> data = node.content.next_data(offset_bytes);
    if (!data || *data >= size) return fail(ENXIO);
    return *data;
  });
}

}  // namespace ross::model
