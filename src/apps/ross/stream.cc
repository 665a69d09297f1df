#include "apps/ross/stream.h"

#include <sys/stat.h>

#include <vector>

#include "apps/ross/interrupt.h"
#include "base/units.h"

namespace ross::cli {
namespace {

constexpr std::size_t kPieceBytes = kMiB;

Status pour_out(Volume& volume, fs::FileId file, const std::function<Status(std::span<const std::byte>)>& take) {
  std::vector<std::byte> buffer(kPieceBytes);
  for (std::uint64_t at = 0;;) {
    if (interrupted()) return Status(EINTR);
    const auto got = volume.wait(volume.fs.read(file, at, memory::Memory(buffer.data(), buffer.size())));
    if (!got.has_value()) return got.error();
    if (*got == 0) return {};
    ROSS_STATUS(take(std::span(buffer).first(*got)));
    at += *got;
  }
}

Result<std::uint64_t> pour_in(Volume& volume, fs::FileId file,
                              const std::function<Result<std::size_t>(std::span<std::byte>)>& give) {
  std::vector<std::byte> buffer(kPieceBytes);
  for (std::uint64_t at = 0;;) {
    if (interrupted()) return fail(EINTR, "interrupted: nothing was changed");
    ROSS_TRY(const std::size_t filled, give(buffer));
    if (filled == 0) return at;
    ROSS_OK(volume.wait(volume.fs.write(file, at, memory::Memory::for_write(buffer.data(), filled))));
    at += filled;
  }
}

}  // namespace

Status read_out(Volume& volume, std::string_view path,
                const std::function<Status(std::span<const std::byte> piece)>& take) {
  const auto attr = volume.resolve(path, fs::Follow::kYes);
  if (!attr.has_value()) return attr.error();
  if (S_ISDIR(attr->mode)) return Status(EISDIR);
  if (!S_ISREG(attr->mode)) return Status(EINVAL, "is no regular file: nothing can be read from it");
  fs::OpenFlags flags;
  flags.read = true;
  const auto opened = volume.wait(volume.fs.open(volume.cred, attr->node, flags));
  if (!opened.has_value()) return opened.error();
  Status status = pour_out(volume, opened->file, take);
  Status closed = volume.wait(volume.fs.close(opened->file));
  return status.ok() ? closed : status;
}

Result<std::uint64_t> write_in(Volume& volume, std::string_view path, const WriteOptions& options,
                               const std::function<Result<std::size_t>(std::span<std::byte> buffer)>& give) {
  const std::size_t slash = path.rfind('/');
  if (options.make_directories && slash != std::string_view::npos) {
    ROSS_OK(make_directories(volume, path.substr(0, slash), 0755));
  }
  ROSS_TRY(const fs::Place place, volume.resolve_parent(path));
  if (place.special || place.wants_directory) return fail(EISDIR);
  const auto there = volume.wait(volume.fs.lookup(volume.cred, place.parent, place.name));
  if (there.has_value() && options.exclusive) return fail(EEXIST);
  if (there.has_value() && S_ISDIR(there->mode)) return fail(EISDIR);
  if (!there.has_value() && there.error().error() != ENOENT) return fail(there.error());
  ROSS_TRY(const fs::Opened opened, volume.wait(volume.fs.create_unnamed(volume.cred, place.parent, options.mode)));
  Result<std::uint64_t> bytes = pour_in(volume, opened.file, give);
  Status status = bytes.has_value() ? Status() : bytes.error();
  if (status.ok()) status = volume.wait(volume.fs.publish(volume.cred, opened.file, place.parent, place.name));
  if (status.ok()) status = volume.wait(volume.fs.fsync(opened.file, false));
  const Status closed = volume.wait(volume.fs.close(opened.file));
  if (!status.ok()) return fail(status);
  if (!closed.ok()) return fail(closed);
  return bytes;
}

Status make_directories(Volume& volume, std::string_view path, std::uint32_t mode) {
  for (std::size_t end = 0; end < path.size();) {
    const std::size_t begin = path.find_first_not_of('/', end);
    if (begin == std::string_view::npos) break;
    end = std::min(path.find('/', begin), path.size());
    const std::string_view so_far = path.substr(0, end);
    const auto there = volume.resolve(so_far, fs::Follow::kYes);
    if (there.has_value() && S_ISDIR(there->mode)) continue;
    if (there.has_value()) return Status(EEXIST, std::string(so_far) + " is no directory: remove it first");
    if (there.error().error() != ENOENT) return there.error();
    const auto place = volume.resolve_parent(so_far);
    if (!place.has_value()) return place.error();
    if (place->special) continue;
    const auto made = volume.wait(volume.fs.mkdir(volume.cred, place->parent, place->name, mode));
    if (!made.has_value() && made.error().error() != EEXIST) return made.error();
  }
  return {};
}

}  // namespace ross::cli
