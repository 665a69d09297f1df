#include "fs/object.h"

#include <sys/stat.h>

#include <string>

#include "fs/path.h"

namespace ross::fs {

namespace {

Status check_key(std::string_view key) {
  if (key.empty()) return Status(EINVAL, "an object's key is empty: give it a name, as in 'train/part-0'");
  if (key.size() > kPathBytesMax) return Status(ENAMETOOLONG, "an object's key has at most 4096 bytes");
  if (key.find('\0') != key.npos) return Status(EINVAL, "an object's key holds a NUL byte");
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    const std::string_view part = key.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") {
      return Status(EINVAL, "an object's key has no empty, '.' or '..' part: write it as 'train/part-0'");
    }
    if (part.size() > kNameBytesMax) return Status(ENAMETOOLONG, "a part of an object's key has at most 255 bytes");
    begin = end + 1;
  }
  return {};
}

// Who may read the objects may search the directories made for them.
std::uint32_t directory_mode(std::uint32_t object_mode) {
  return 0700 | (object_mode & 0777) | (object_mode & 0444) >> 2;
}

Async<NodeId> find_or_make(FileSystem& fs, const Credential& cred, NodeId parent, std::string_view name,
                           std::uint32_t mode) {
  Result<Attr> found = co_await resolve(fs, cred, parent, name, Follow::kYes);
  if (!found && found.error().error() == ENOENT) {
    const Result<Attr> made = co_await fs.mkdir(cred, parent, name, mode);
    if (made) co_return made->node;
    if (made.error().error() != EEXIST) co_return fail(made.error());
    found = co_await resolve(fs, cred, parent, name, Follow::kYes);  // somebody else made it just now
  }
  if (!found) co_return fail(std::move(found).error());
  if (!S_ISDIR(found->mode)) co_return fail(ENOTDIR);
  co_return found->node;
}

Async<NodeId> make_directories(FileSystem& fs, const Credential& cred, std::string_view path, std::uint32_t mode) {
  NodeId at = kRootNode;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    ROSS_CO_TRY(at, co_await find_or_make(fs, cred, at, name, mode));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  co_return at;
}

// All between having the file and closing it.
AsyncStatus fill_and_publish(FileSystem& fs, const Credential& cred, FileId file, NodeId parent, std::string_view name,
                             memory::Memory from, bool durable) {
  if (from.size_bytes() != 0) {
    const Result<std::uint64_t> written = co_await fs.write(file, 0, from);
    if (!written) co_return written.error();
  }
  // The content first, so that no crash can leave the name without it; then the name.
  if (durable) {
    Status synced = co_await fs.fsync(file, false);
    if (!synced.ok()) co_return synced;
  }
  Status published = co_await fs.publish(cred, file, parent, name);
  if (!published.ok() || !durable) co_return published;
  co_return co_await fs.fsync(file, false);
}

}  // namespace

AsyncStatus put_object(FileSystem& fs, const Credential& cred, std::string_view key, memory::Memory from,
                       PutOptions options) {
  Status valid = check_key(key);
  if (!valid.ok()) co_return valid;
  const std::size_t slash = key.find_last_of('/');
  const std::string_view directories = slash == key.npos ? std::string_view() : key.substr(0, slash);
  const std::string_view name = slash == key.npos ? key : key.substr(slash + 1);
  const Result<NodeId> parent = co_await make_directories(fs, cred, directories, directory_mode(options.mode));
  if (!parent) co_return parent.error();
  const Result<Opened> opened = co_await fs.create_unnamed(cred, *parent, options.mode);
  if (!opened) co_return opened.error();
  Status done = co_await fill_and_publish(fs, cred, opened->file, *parent, name, from, options.durable);
  Status closed = co_await fs.close(opened->file);
  co_return done.ok() ? std::move(closed) : std::move(done);
}

Async<std::uint64_t> get_object(FileSystem& fs, const Credential& cred, std::string_view key, memory::Memory into,
                                std::uint64_t offset_bytes) {
  ROSS_CO_TRY(const Attr attr, co_await head_object(fs, cred, key));
  const OpenFlags flags{.read = true};
  ROSS_CO_TRY(const Opened opened, co_await fs.open(cred, attr.node, flags));
  Result<std::uint64_t> count = co_await fs.read(opened.file, offset_bytes, into);
  Status closed = co_await fs.close(opened.file);
  if (count && !closed.ok()) co_return fail(std::move(closed));
  co_return count;
}

Async<Attr> head_object(FileSystem& fs, const Credential& cred, std::string_view key) {
  ROSS_CO_OK(check_key(key));
  ROSS_CO_TRY(const Attr attr, co_await resolve(fs, cred, kRootNode, key, Follow::kYes));
  if (S_ISDIR(attr.mode)) co_return fail(EISDIR);
  co_return attr;
}

AsyncStatus remove_object(FileSystem& fs, const Credential& cred, std::string_view key) {
  Status valid = check_key(key);
  if (!valid.ok()) co_return valid;
  const Result<Place> place = co_await resolve_parent(fs, cred, kRootNode, key);
  if (!place) co_return place.error();
  co_return co_await fs.unlink(cred, place->parent, place->name);
}

}  // namespace ross::fs
