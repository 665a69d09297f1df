#include "model/compare.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <vector>

namespace ross::model {

namespace {

constexpr std::size_t kChunkBytes = 256 * 1024;
const fs::Credential kRoot;

std::string differs(std::string_view path, std::string_view what, std::uint64_t theirs, std::uint64_t ours) {
  return fmt::format("{}: {} is {}, the model says {}", path, what, theirs, ours);
}

std::string attr_difference(std::string_view path, const fs::Attr& theirs, const fs::Attr& ours, bool times) {
  if (theirs.mode != ours.mode)
    return fmt::format("{}: mode is {:o}, the model says {:o}", path, theirs.mode, ours.mode);
  if (theirs.links != ours.links) return differs(path, "links", theirs.links, ours.links);
  if (theirs.uid != ours.uid) return differs(path, "uid", theirs.uid, ours.uid);
  if (theirs.gid != ours.gid) return differs(path, "gid", theirs.gid, ours.gid);
  if (theirs.rdev != ours.rdev) return differs(path, "rdev", theirs.rdev, ours.rdev);
  if (!S_ISDIR(ours.mode) && theirs.size_bytes != ours.size_bytes) {
    return differs(path, "size", theirs.size_bytes, ours.size_bytes);
  }
  if (!times) return {};
  const auto time = [](std::int64_t value) { return static_cast<std::uint64_t>(value); };
  if (theirs.mtime_ns != ours.mtime_ns) return differs(path, "mtime", time(theirs.mtime_ns), time(ours.mtime_ns));
  if (theirs.ctime_ns != ours.ctime_ns) return differs(path, "ctime", time(theirs.ctime_ns), time(ours.ctime_ns));
  if (theirs.btime_ns != ours.btime_ns) return differs(path, "btime", time(theirs.btime_ns), time(ours.btime_ns));
  return {};
}

fs::Async<std::string> xattr_difference(fs::FileSystem& fs, std::string_view path, fs::NodeId theirs,
                                        const Node& ours) {
  ROSS_CO_TRY(std::vector<std::string> names, co_await fs.listxattr(kRoot, theirs));
  std::sort(names.begin(), names.end());
  std::vector<std::string> expected;
  for (const auto& [name, value] : ours.xattrs) expected.push_back(name);
  if (names != expected) {
    co_return fmt::format("{}: xattrs are [{}], the model says [{}]", path, fmt::join(names, " "),
                          fmt::join(expected, " "));
  }
  for (const auto& [name, value] : ours.xattrs) {
    ROSS_CO_TRY(const std::string found, co_await fs.getxattr(kRoot, theirs, name));
    if (found != value) co_return fmt::format("{}: the value of xattr {} differs", path, name);
  }
  co_return std::string();
}

// Looks only where either side has data, so that a sparse file costs what it holds.
fs::Async<std::string> open_content_difference(fs::FileSystem& fs, std::string_view path, fs::FileId file,
                                               const Node& ours) {
  const std::uint64_t size = ours.attr.size_bytes;
  std::vector<std::byte> theirs_bytes(kChunkBytes);
  std::vector<std::byte> ours_bytes(kChunkBytes);
  for (std::uint64_t at = 0; at < size;) {
    std::uint64_t next = ours.content.next_data(at).value_or(size);
    const Result<std::uint64_t> data = co_await fs.seek(file, fs::SeekKind::kData, at);
    if (!data && data.error().error() != ENXIO) co_return fail(data.error());
    if (data) next = std::min(next, *data);
    if (next >= size) break;
    const std::uint64_t step = std::min<std::uint64_t>(kChunkBytes, size - next);
    const memory::Memory into(theirs_bytes.data(), step);
    ROSS_CO_TRY(const std::uint64_t count, co_await fs.read(file, next, into));
    if (count != step) co_return differs(path, fmt::format("bytes read at {}", next), count, step);
    ours.content.read(next, step, memory::Memory(ours_bytes.data(), step));
    const auto end = theirs_bytes.begin() + static_cast<std::ptrdiff_t>(step);
    const auto odd = std::mismatch(theirs_bytes.begin(), end, ours_bytes.begin());
    if (odd.first != end) {
      const std::uint64_t where = next + static_cast<std::uint64_t>(odd.first - theirs_bytes.begin());
      co_return differs(path, fmt::format("byte {}", where), std::to_integer<std::uint64_t>(*odd.first),
                        std::to_integer<std::uint64_t>(*odd.second));
    }
    at = next + step;
  }
  co_return std::string();
}

fs::Async<std::string> content_difference(fs::FileSystem& fs, std::string_view path, fs::NodeId theirs,
                                          const Node& ours) {
  if (S_ISLNK(ours.attr.mode)) {
    ROSS_CO_TRY(const std::string target, co_await fs.readlink(theirs));
    if (target != ours.target) {
      co_return fmt::format("{}: points to '{}', the model says '{}'", path, target, ours.target);
    }
  }
  if (!S_ISREG(ours.attr.mode)) co_return std::string();
  const fs::OpenFlags flags{.read = true};
  ROSS_CO_TRY(const fs::Opened opened, co_await fs.open(kRoot, theirs, flags));
  Result<std::string> found = co_await open_content_difference(fs, path, opened.file, ours);
  ROSS_CO_OK(co_await fs.close(opened.file));
  co_return found;
}

fs::Async<std::vector<fs::DirEntry>> list_all(fs::FileSystem& fs, fs::NodeId directory) {
  std::vector<fs::DirEntry> all;
  fs::ReaddirOptions options{.with_attr = true};
  while (true) {
    ROSS_CO_TRY(std::vector<fs::DirEntry> some, co_await fs.readdir(kRoot, directory, options));
    if (some.empty()) break;
    options.cursor = some.back().cursor;
    std::move(some.begin(), some.end(), std::back_inserter(all));
  }
  std::sort(all.begin(), all.end(), [](const fs::DirEntry& a, const fs::DirEntry& b) { return a.name < b.name; });
  co_return all;
}

// The names of one directory as a text, for the message.
std::string first_name_difference(std::string_view path, const std::vector<fs::DirEntry>& theirs, const Node& ours) {
  auto expected = ours.entries.begin();
  for (const fs::DirEntry& entry : theirs) {
    if (expected == ours.entries.end() || entry.name < expected->first) {
      return fmt::format("{}/{}: is there, the model says not", path, entry.name);
    }
    if (entry.name > expected->first) break;
    ++expected;
  }
  if (expected != ours.entries.end())
    return fmt::format("{}/{}: is not there, the model says so", path, expected->first);
  return {};
}

struct Visit {
  fs::NodeId theirs;
  fs::NodeId ours;
  std::string path;
};

}  // namespace

fs::Async<std::string> difference(fs::FileSystem& fs, const ModelState& state, CompareOptions options) {
  ROSS_CO_TRY(const fs::Attr root, co_await fs.getattr(fs::kRootNode));
  std::string found = attr_difference("/", root, state.find(fs::kRootNode)->attr, options.times);
  if (!found.empty()) co_return found;
  std::vector<Visit> open{{fs::kRootNode, fs::kRootNode, ""}};
  std::map<fs::NodeId, fs::NodeId> seen;  // theirs to ours
  std::map<fs::NodeId, fs::NodeId> seen_back;
  while (!open.empty()) {
    const Visit visit = std::move(open.back());
    open.pop_back();
    const Node& node = *state.find(visit.ours);
    ROSS_CO_TRY(found, co_await xattr_difference(fs, visit.path, visit.theirs, node));
    if (found.empty()) {
      ROSS_CO_TRY(found, co_await content_difference(fs, visit.path, visit.theirs, node));
    }
    if (!found.empty()) co_return found;
    if (!S_ISDIR(node.attr.mode)) continue;
    ROSS_CO_TRY(const std::vector<fs::DirEntry> entries, co_await list_all(fs, visit.theirs));
    found = first_name_difference(visit.path, entries, node);
    if (!found.empty()) co_return found;
    for (const fs::DirEntry& entry : entries) {
      const std::string path = visit.path + "/" + entry.name;
      const Node& ours = *state.find(node.entries.find(entry.name)->second.node);
      if (!entry.attr) co_return path + ": was listed without the attributes asked for";
      found = attr_difference(path, *entry.attr, ours.attr, options.times);
      if (!found.empty()) co_return found;
      const auto [one, added] = seen.emplace(entry.node, ours.attr.node);
      const auto [back, added_back] = seen_back.emplace(ours.attr.node, entry.node);
      if (one->second != ours.attr.node || back->second != entry.node) {
        co_return path + ": is not the node that its other names are";
      }
      if (added) open.push_back({entry.node, ours.attr.node, path});
    }
  }
  co_return std::string();
}

}  // namespace ross::model
