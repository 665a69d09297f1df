// Source and Sink: the two ends of a copy, each on the host or in a container.
//
// The copier (copier.h) knows only these: it lists and reads a Source and makes the same in a Sink. Host ends answer at
// once and block their thread; container ends are asynchronous. Both name things relative to an open directory, so
// a directory renamed meanwhile is no danger, and no path is too long.
//
// Ownership: directories are shared by the work below them; files belong to whoever opened them and are closed
// with close() (source) or commit()/abandon() (sink) before they are destroyed.
// Threading: any thread that drives a loop; one file or listing by one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/file_system.h"

namespace ross::cli::copy {

// What is found in a source. attr.node is the inode's number; with space it tells hard links of one file.
struct Item {
  std::string name;
  fs::Attr attr;
  std::uint64_t space = 0;  // the device it is on
};

using Xattrs = std::vector<std::pair<std::string, std::string>>;

struct Directory {
  virtual ~Directory() = default;
};
using DirectoryRef = std::shared_ptr<Directory>;  // shared by all the work below it

// [begin, end) holds data; begin == end == the size: none is left.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class SourceFile {
 public:
  virtual ~SourceFile() = default;
  // Its attributes now, which may differ from those listed.
  [[nodiscard]] virtual const fs::Attr& attr() const = 0;
  // Bytes read; fewer than asked only at the end of the file.
  virtual fs::Async<std::uint64_t> read(std::uint64_t offset_bytes, std::span<std::byte> into) = 0;
  virtual fs::Async<Extent> next_data(std::uint64_t offset_bytes) = 0;
  virtual fs::AsyncStatus close() = 0;
};

inline constexpr std::size_t kListMax = 256;  // entries per call of list()

class Source {
 public:
  virtual ~Source() = default;
  // A directory found in another one.
  virtual fs::Async<DirectoryRef> open_directory(Directory& parent, const Item& item) = 0;
  // Some further entries, at most kListMax; none at the end. "." and ".." are not listed.
  virtual fs::Async<std::vector<Item>> list(Directory& directory) = 0;
  virtual fs::Async<std::unique_ptr<SourceFile>> open_file(Directory& parent, const Item& item) = 0;
  virtual fs::Async<std::string> readlink(Directory& parent, const Item& item) = 0;
  virtual fs::Async<Xattrs> xattrs(Directory& parent, const Item& item, SourceFile* file) = 0;
  virtual fs::Async<Xattrs> directory_xattrs(Directory& directory) = 0;
};

// How to find a file made in a sink again, to give it another name.
struct Made {
  fs::NodeId node;   // in a container
  std::string path;  // on the host, from the sink's root
};

class SinkFile {
 public:
  virtual ~SinkFile() = default;
  virtual fs::AsyncStatus write(std::uint64_t offset_bytes, std::span<const std::byte> from) = 0;
  virtual fs::AsyncStatus resize(std::uint64_t size_bytes) = 0;
  // Sets the attributes and gives the file its name, replacing a file that has it. Until then nobody can see it.
  virtual fs::Async<Made> commit(const fs::Attr& attr, const Xattrs& xattrs) = 0;
  virtual fs::AsyncStatus abandon() = 0;
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Makes a directory that only its owner may enter yet, or opens the one that is there.
  virtual fs::Async<DirectoryRef> make_directory(Directory& parent, std::string_view name) = 0;
  // Sets the attributes of a directory in which nothing more changes.
  virtual fs::AsyncStatus finish_directory(Directory& directory, const fs::Attr& attr, const Xattrs& xattrs) = 0;
  virtual fs::Async<std::unique_ptr<SinkFile>> create(Directory& parent, std::string_view name,
                                                      const fs::Attr& attr) = 0;
  // These replace what is there, unless it is a directory (EISDIR).
  virtual fs::Async<Made> symlink(Directory& parent, std::string_view name, std::string_view target,
                                  const fs::Attr& attr, const Xattrs& xattrs) = 0;
  virtual fs::Async<Made> special(Directory& parent, std::string_view name, const fs::Attr& attr,
                                  const Xattrs& xattrs) = 0;
  virtual fs::AsyncStatus link(const Made& made, Directory& parent, std::string_view name) = 0;
};

// What an end of the host answers: it is there at once.
template <class T>
fs::Async<T> ready(Result<T> result) {
  return fs::Async<T>::ready(std::move(result));
}
inline fs::AsyncStatus ready(Status status) { return fs::AsyncStatus::ready(std::move(status)); }

// An attribute that this user cannot set on a copy (another's owner, the kernel's own xattrs) is left out, as cp does.
bool keeps_xattr(std::string_view name, bool root);

}  // namespace ross::cli::copy
