#include "faces/capi/walk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fs/path.h"

namespace ross::capi {

fs::Async<fs::Opened> open_path(fs::FileSystem& fs, const fs::Credential& cred, std::string_view path, int flags,
                                std::uint32_t mode) {
  const fs::OpenFlags how = fs::OpenFlags::from_posix(flags);
  if ((flags & O_CREAT) == 0) {
    const fs::Follow follow = (flags & O_NOFOLLOW) != 0 ? fs::Follow::kNo : fs::Follow::kYes;
    ROSS_CO_TRY(const fs::Attr attr, co_await fs::resolve(fs, cred, fs::kRootNode, path, follow));
    if (S_ISLNK(attr.mode)) co_return fail(ELOOP);
    if ((flags & O_DIRECTORY) != 0 && !S_ISDIR(attr.mode)) co_return fail(ENOTDIR);
    if (S_ISDIR(attr.mode) && how.write) co_return fail(EISDIR);
    co_return co_await fs.open(cred, attr.node, how);
  }
  if ((flags & O_DIRECTORY) != 0) co_return fail(EINVAL, "O_CREAT makes files: use ross_mkdir for a directory");
  fs::NodeId start = fs::kRootNode;
  std::string rest(path);
  for (int links = 0; links <= fs::kSymlinksMax; ++links) {
    ROSS_CO_TRY(const fs::Place place, co_await fs::resolve_parent(fs, cred, start, rest));
    if (place.special || place.wants_directory) co_return fail(EISDIR);
    const Result<fs::Attr> there = co_await fs.lookup(cred, place.parent, place.name);
    if (!there.has_value() && there.error().error() != ENOENT) co_return fail(there.error());
    if (!there.has_value() || !S_ISLNK(there->mode)) {
      co_return co_await fs.create(cred, place.parent, place.name, mode & 07777, how);
    }
    if (how.exclusive) co_return fail(EEXIST);
    if ((flags & O_NOFOLLOW) != 0) co_return fail(ELOOP);
    ROSS_CO_TRY(rest, co_await fs.readlink(there->node));
    start = place.parent;
  }
  co_return fail(ELOOP);
}

ross_attr to_attr(const fs::Attr& attr) {
  ross_attr out{};
  out.size = sizeof out;
  out.node = attr.node.value;
  out.mode = attr.mode;
  out.links = attr.links;
  out.uid = attr.uid;
  out.gid = attr.gid;
  out.rdev = attr.rdev;
  out.size_bytes = attr.size_bytes;
  out.allocated_bytes = attr.allocated_bytes;
  out.atime_ns = attr.atime_ns;
  out.mtime_ns = attr.mtime_ns;
  out.ctime_ns = attr.ctime_ns;
  out.btime_ns = attr.btime_ns;
  return out;
}

}  // namespace ross::capi
