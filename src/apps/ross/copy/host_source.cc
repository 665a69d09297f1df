#include "apps/ross/copy/host_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "apps/ross/copy/descriptor.h"
#include "apps/ross/location.h"

namespace ross::cli::copy {
namespace {

constexpr int kListBytes = 64 * 1024;  // what one getdents64 call may fill

struct HostSourceDirectory final : Directory {
  Descriptor fd;
  std::vector<char> names;  // what getdents64 returned last
  std::size_t at = 0;       // the next entry in names
};

struct RawEntry {  // struct linux_dirent64, which the headers do not give
  std::uint64_t inode;
  std::int64_t offset;
  std::uint16_t length;
  std::uint8_t type;
  char name[1];
};

Result<fs::Attr> stat_at(int directory, const char* name, std::uint64_t& space) {
  struct stat found {};
  if (::fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0) return fail(errno);
  space = found.st_dev;
  return to_attr(found);
}

// Xattrs through list(buffer, size) and get(name, buffer, size), which are the calls on a descriptor or on a path.
template <class List, class Get>
Result<Xattrs> read_xattrs(List list, Get get) {
  std::array<char, 1024> few;
  std::vector<char> many;
  char* names = few.data();
  ssize_t bytes = list(names, few.size());
  if (bytes < 0 && errno == ERANGE) {
    many.resize(XATTR_LIST_MAX);
    names = many.data();
    bytes = list(names, many.size());
  }
  if (bytes < 0) return errno == ENOTSUP ? Result<Xattrs>() : fail(errno);
  Xattrs xattrs;
  const bool root = ::geteuid() == 0;
  std::vector<char> value;
  for (ssize_t at = 0; at < bytes; at += static_cast<ssize_t>(std::strlen(names + at)) + 1) {
    const char* const name = names + at;
    if (!keeps_xattr(name, root)) continue;
    value.resize(XATTR_SIZE_MAX);
    const ssize_t size = get(name, value.data(), value.size());
    if (size < 0 && errno == ENODATA) continue;  // gone meanwhile
    if (size < 0) return fail(errno);
    xattrs.emplace_back(name, std::string(value.data(), static_cast<std::size_t>(size)));
  }
  return xattrs;
}

Result<Xattrs> descriptor_xattrs(int fd) {
  return read_xattrs([fd](char* to, std::size_t size) { return ::flistxattr(fd, to, size); },
                     [fd](const char* name, char* to, std::size_t size) { return ::fgetxattr(fd, name, to, size); });
}

class HostSourceFile final : public SourceFile {
 public:
  HostSourceFile(Descriptor fd, const fs::Attr& attr) : fd_(std::move(fd)), attr_(attr) {}

  const fs::Attr& attr() const override { return attr_; }
  int fd() const { return fd_.get(); }

  fs::Async<std::uint64_t> read(std::uint64_t offset_bytes, std::span<std::byte> into) override {
    std::uint64_t done = 0;
    while (done < into.size()) {
      const ssize_t got =
          ::pread(fd_.get(), into.data() + done, into.size() - done, static_cast<off_t>(offset_bytes + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ready<std::uint64_t>(fail(errno));
      if (got == 0) break;
      done += static_cast<std::uint64_t>(got);
      // A short read within the size known is the end on every local file system; asking again would cost a call a file.
      if (offset_bytes + done >= attr_.size_bytes && done < into.size() && attr_.size_bytes > 0) break;
    }
    return ready<std::uint64_t>(done);
  }

  fs::Async<Extent> next_data(std::uint64_t offset_bytes) override {
    const std::uint64_t size = attr_.size_bytes;
    const off_t begin = ::lseek(fd_.get(), static_cast<off_t>(offset_bytes), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) return ready<Extent>(Extent{size, size});
    if (begin < 0 && errno == EINVAL) return ready<Extent>(Extent{offset_bytes, size});  // a file system without holes
    if (begin < 0) return ready<Extent>(fail(errno));
    const off_t end = ::lseek(fd_.get(), begin, SEEK_HOLE);
    if (end < 0) return ready<Extent>(fail(errno));
    return ready<Extent>(Extent{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)});
  }

  fs::AsyncStatus close() override {
    fd_ = Descriptor();
    return fs::AsyncStatus::ready(Status());
  }

 private:
  Descriptor fd_;
  const fs::Attr attr_;
};

Result<DirectoryRef> open_at(int parent, const char* name, int flags) {
  auto directory = std::make_shared<HostSourceDirectory>();
  directory->fd = Descriptor(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags));
  if (!directory->fd) return fail(errno);
  return directory;
}

}  // namespace

Result<HostSource::Root> HostSource::open_root(const std::string& path) {
  Root root;
  ROSS_TRY(root.item.attr, stat_at(AT_FDCWD, path.c_str(), root.item.space));
  root.item.name = base_name(path);
  if (S_ISDIR(root.item.attr.mode) || path.ends_with('/')) {
    ROSS_TRY(root.directory, open_at(AT_FDCWD, path.c_str(), 0));
    // With a '/' behind it, a link has been followed.
    ROSS_TRY(root.item.attr, stat_at(static_cast<HostSourceDirectory&>(*root.directory).fd.get(), "", root.item.space));
    return root;
  }
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  ROSS_TRY(root.parent, open_at(AT_FDCWD, parent.c_str(), O_PATH));
  return root;
}

fs::Async<DirectoryRef> HostSource::open_directory(Directory& parent, const Item& item) {
  return ready(open_at(static_cast<HostSourceDirectory&>(parent).fd.get(), item.name.c_str(), O_NOFOLLOW));
}

fs::Async<std::vector<Item>> HostSource::list(Directory& directory) {
  auto& host = static_cast<HostSourceDirectory&>(directory);
  std::vector<Item> items;
  while (items.size() < kListMax) {
    if (host.at >= host.names.size()) {
      if (!items.empty()) break;  // process what there is before the kernel is asked again
      host.names.resize(kListBytes);
      host.at = 0;
      const ssize_t bytes = ::getdents64(host.fd.get(), host.names.data(), host.names.size());
      if (bytes < 0) return ready<std::vector<Item>>(fail(errno));
      host.names.resize(static_cast<std::size_t>(bytes));
      if (bytes == 0) {
        host.names.shrink_to_fit();
        break;
      }
    }
    std::uint16_t length = 0;
    const char* const raw = host.names.data() + host.at;
    std::memcpy(&length, raw + offsetof(RawEntry, length), sizeof length);
    const char* const name = raw + offsetof(RawEntry, name);
    host.at += length;
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
    Item item;
    item.name = name;
    Result<fs::Attr> attr = stat_at(host.fd.get(), name, item.space);
    if (!attr.has_value() && attr.error().error() == ENOENT) continue;  // gone meanwhile
    if (!attr.has_value()) return ready<std::vector<Item>>(fail(attr.error().with_context(item.name)));
    item.attr = *attr;
    items.push_back(std::move(item));
  }
  return ready<std::vector<Item>>(std::move(items));
}

fs::Async<std::unique_ptr<SourceFile>> HostSource::open_file(Directory& parent, const Item& item) {
  using Opened = std::unique_ptr<SourceFile>;
  const int directory = static_cast<HostSourceDirectory&>(parent).fd.get();
  // Without waiting, should the name be a FIFO's by now. The source's access time stays where the owner may ask for it.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  Descriptor fd(::openat(directory, item.name.c_str(), kFlags | O_NOATIME));
  if (!fd && errno == EPERM) fd = Descriptor(::openat(directory, item.name.c_str(), kFlags));
  if (!fd) return ready<Opened>(fail(errno));
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return ready<Opened>(fail(errno));
  if (!S_ISREG(found.st_mode)) return ready<Opened>(fail(ESTALE));
  return ready<Opened>(std::make_unique<HostSourceFile>(std::move(fd), to_attr(found)));
}

fs::Async<std::string> HostSource::readlink(Directory& parent, const Item& item) {
  std::string target(4096, '\0');
  const ssize_t size =
      ::readlinkat(static_cast<HostSourceDirectory&>(parent).fd.get(), item.name.c_str(), target.data(), target.size());
  if (size < 0) return ready<std::string>(fail(errno));
  target.resize(static_cast<std::size_t>(size));
  return ready<std::string>(std::move(target));
}

fs::Async<Xattrs> HostSource::xattrs(Directory& parent, const Item& item, SourceFile* file) {
  if (file != nullptr) return ready(descriptor_xattrs(static_cast<HostSourceFile*>(file)->fd()));
  // A link or a special file is not opened: its xattrs are reached by the directory's descriptor and its name.
  const std::string path = join(descriptor_path(static_cast<HostSourceDirectory&>(parent).fd.get()), item.name);
  return ready(read_xattrs(
      [&path](char* to, std::size_t size) { return ::llistxattr(path.c_str(), to, size); },
      [&path](const char* name, char* to, std::size_t size) { return ::lgetxattr(path.c_str(), name, to, size); }));
}

fs::Async<Xattrs> HostSource::directory_xattrs(Directory& directory) {
  return ready(descriptor_xattrs(static_cast<HostSourceDirectory&>(directory).fd.get()));
}

}  // namespace ross::cli::copy
