// A walk keeps the text still to be walked. A symbolic link puts its target in front of that text, so that links in links,
// ".." behind links and trailing slashes all fall out of one loop.
#include "fs/path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace ross::fs {

namespace {

// What stands between two steps of a walk: where it is, what is left.
struct Walk {
  Attr at;
  std::string rest;
  std::size_t position = 0;  // in rest; what lies before it is done
  int links_followed = 0;
  bool wants_directory = false;  // a '/' stood behind the last component taken

  // The next component, empty at the end. Takes the slashes before and behind it.
  std::string_view next() {
    position = std::min(rest.find_first_not_of('/', position), rest.size());
    const std::size_t end = std::min(rest.find('/', position), rest.size());
    const std::string_view component = std::string_view(rest).substr(position, end - position);
    wants_directory = end < rest.size();
    position = std::min(rest.find_first_not_of('/', end), rest.size());
    return component;
  }
  [[nodiscard]] bool finished() const { return position == rest.size(); }
};

Status check_path(std::string_view path) {
  if (path.empty()) return Status(ENOENT);
  if (path.size() > kPathBytesMax) return Status(ENAMETOOLONG);
  if (path.find('\0') != path.npos) return Status(EINVAL);
  return {};
}

Async<Attr> step_dots(FileSystem& fs, const Credential& cred, const Attr& at, bool up) {
  if (!S_ISDIR(at.mode)) co_return fail(ENOTDIR);
  ROSS_CO_OK(co_await fs.access(cred, at.node, X_OK));
  if (!up) co_return at;
  ROSS_CO_TRY(const NodeId above, co_await fs.parent(at.node));
  co_return co_await fs.getattr(above);
}

// Puts the link's target in front of what is left.
Async<bool> follow(FileSystem& fs, const Attr& link, Walk& walk) {
  if (++walk.links_followed > kSymlinksMax) co_return fail(ELOOP);
  ROSS_CO_TRY(std::string target, co_await fs.readlink(link.node));
  if (target.empty()) co_return fail(ENOENT);
  const bool from_root = target.starts_with('/');
  const std::string_view left = std::string_view(walk.rest).substr(walk.position);
  if (walk.wants_directory || !left.empty()) target += '/';
  target += left;
  walk.rest = std::move(target);
  walk.position = 0;
  co_return from_root;
}

}  // namespace

Async<Attr> resolve(FileSystem& fs, const Credential& cred, NodeId start, std::string_view path, Follow follow_last) {
  ROSS_CO_OK(check_path(path));
  Walk walk;
  walk.rest = path;
  ROSS_CO_TRY(walk.at, co_await fs.getattr(path.starts_with('/') ? kRootNode : start));
  if (!S_ISDIR(walk.at.mode)) co_return fail(ENOTDIR);
  while (true) {
    const std::string_view name = walk.next();
    if (name.empty()) break;
    if (name == "." || name == "..") {
      ROSS_CO_TRY(walk.at, co_await step_dots(fs, cred, walk.at, name == ".."));
    } else {
      ROSS_CO_TRY(const Attr found, co_await fs.lookup(cred, walk.at.node, name));
      const bool last = walk.finished() && !walk.wants_directory;
      if (S_ISLNK(found.mode) && (!last || follow_last == Follow::kYes)) {
        ROSS_CO_TRY(const bool from_root, co_await follow(fs, found, walk));
        if (from_root) {
          ROSS_CO_TRY(walk.at, co_await fs.getattr(kRootNode));
        }
      } else {
        walk.at = found;
      }
    }
    if (walk.finished() && !walk.wants_directory) break;
    if (!S_ISDIR(walk.at.mode)) co_return fail(ENOTDIR);
    if (walk.finished()) break;
  }
  co_return walk.at;
}

Async<Place> resolve_parent(FileSystem& fs, const Credential& cred, NodeId start, std::string_view path) {
  ROSS_CO_OK(check_path(path));
  Place place;
  const std::size_t last = path.find_last_not_of('/');
  place.wants_directory = last != path.size() - 1;
  if (last == path.npos) {  // only slashes: the root
    place = {.parent = kRootNode, .name = "/", .special = true, .wants_directory = true};
    co_return place;
  }
  const std::size_t slash = path.find_last_of('/', last);
  const std::size_t begin = slash == path.npos ? 0 : slash + 1;
  place.name = path.substr(begin, last + 1 - begin);
  place.special = place.name == "." || place.name == "..";
  const std::string_view above = begin == 0 ? std::string_view(".") : path.substr(0, begin);
  ROSS_CO_TRY(const Attr directory, co_await resolve(fs, cred, start, above, Follow::kYes));
  place.parent = directory.node;
  co_return place;
}

}  // namespace ross::fs
