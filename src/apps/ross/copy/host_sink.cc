#include "apps/ross/copy/host_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/xattr.h>

#include <cerrno>
#include <utility>

#include "apps/ross/copy/descriptor.h"
#include "apps/ross/location.h"
#include "base/random.h"

namespace ross::cli::copy {
namespace {

struct HostSinkDirectory final : Directory {
  Descriptor fd;
  std::string path;  // for hard links: a descriptor kept for each would run out
};

HostSinkDirectory& host(Directory& directory) { return static_cast<HostSinkDirectory&>(directory); }

Status last_error(int result) { return result == 0 ? Status() : Status(errno); }

timespec to_timespec(std::int64_t time_ns) {
  timespec time{};
  time.tv_sec = time_ns / 1'000'000'000;
  time.tv_nsec = time_ns % 1'000'000'000;
  if (time.tv_nsec < 0) {
    time.tv_nsec += 1'000'000'000;
    --time.tv_sec;
  }
  return time;
}

// The permission bits a copy may have: only root gives files away, and what stays ours must not act as its old owner.
mode_t kept_mode(const fs::Attr& attr) {
  if (::geteuid() == 0 || (attr.uid == ::geteuid() && attr.gid == ::getegid())) return attr.mode & 07777U;
  return attr.mode & 01777U;
}

// Owner first, because a change of owner drops set-id bits and capabilities; the times last.
Status set_all(int fd, const fs::Attr& attr, const Xattrs& xattrs) {
  if (::geteuid() == 0) ROSS_STATUS(last_error(::fchown(fd, attr.uid, attr.gid)));
  for (const auto& [name, value] : xattrs) {
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) {
      return Status(errno).with_context("xattr " + name);
    }
  }
  ROSS_STATUS(last_error(::fchmod(fd, kept_mode(attr))));
  const timespec times[2] = {to_timespec(attr.atime_ns), to_timespec(attr.mtime_ns)};
  return last_error(::futimens(fd, times));
}

// The same for what cannot be opened (links, devices), by its name in a directory.
Status set_all_at(const HostSinkDirectory& directory, const std::string& name, const fs::Attr& attr,
                  const Xattrs& xattrs) {
  const int fd = directory.fd.get();
  if (::geteuid() == 0) {
    ROSS_STATUS(last_error(::fchownat(fd, name.c_str(), attr.uid, attr.gid, AT_SYMLINK_NOFOLLOW)));
  }
  const std::string path = join(descriptor_path(fd), name);
  for (const auto& [key, value] : xattrs) {
    if (::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) != 0) {
      return Status(errno).with_context("xattr " + key);
    }
  }
  if (!S_ISLNK(attr.mode)) ROSS_STATUS(last_error(::fchmodat(fd, name.c_str(), kept_mode(attr), 0)));
  const timespec times[2] = {to_timespec(attr.atime_ns), to_timespec(attr.mtime_ns)};
  return last_error(::utimensat(fd, name.c_str(), times, AT_SYMLINK_NOFOLLOW));
}

std::string temporary_name() { return fmt::format(".ross-cp-{:016x}", random_seed()); }

// Calls make(name), which makes something that must not be there yet; where it is, makes it under another name, and
// moves that over. finish(name) sets its attributes in between, so that it appears complete.
template <class Make, class Finish>
Status make_or_replace(int directory, const std::string& name, const Make& make, const Finish& finish) {
  if (make(name) == 0) return finish(name);
  if (errno != EEXIST) return Status(errno);
  const std::string temporary = temporary_name();
  if (make(temporary) != 0) return Status(errno);
  Status status = finish(temporary);
  if (status.ok()) status = last_error(::renameat(directory, temporary.c_str(), directory, name.c_str()));
  // Gone after a rename, except when both names were links of one file already.
  ::unlinkat(directory, temporary.c_str(), 0);
  return status;
}

class HostSinkFile final : public SinkFile {
 public:
  HostSinkFile(HostSinkDirectory& directory, std::string name, Descriptor fd, std::string temporary)
      : directory_(directory), name_(std::move(name)), fd_(std::move(fd)), temporary_(std::move(temporary)) {}

  fs::AsyncStatus write(std::uint64_t offset_bytes, std::span<const std::byte> from) override {
    std::size_t done = 0;
    while (done < from.size()) {
      const ssize_t put =
          ::pwrite(fd_.get(), from.data() + done, from.size() - done, static_cast<off_t>(offset_bytes + done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ready(Status(errno));
      done += static_cast<std::size_t>(put);
    }
    return ready(Status());
  }
  fs::AsyncStatus resize(std::uint64_t size_bytes) override {
    return ready(last_error(::ftruncate(fd_.get(), static_cast<off_t>(size_bytes))));
  }
  fs::Async<Made> commit(const fs::Attr& attr, const Xattrs& xattrs) override {
    Status status = set_all(fd_.get(), attr, xattrs);
    if (status.ok()) status = name_it();
    if (!status.ok()) remove_temporary();
    fd_ = Descriptor();
    if (!status.ok()) return ready<Made>(fail(status));
    Made made;
    made.path = join(directory_.path, name_);
    return ready<Made>(std::move(made));
  }
  fs::AsyncStatus abandon() override {
    remove_temporary();
    fd_ = Descriptor();
    return ready(Status());
  }

 private:
  Status name_it() {
    const int directory = directory_.fd.get();
    if (!temporary_.empty()) {
      const int moved = ::renameat(directory, temporary_.c_str(), directory, name_.c_str());
      if (moved == 0) temporary_.clear();
      return last_error(moved);
    }
    const std::string unnamed = descriptor_path(fd_.get());
    const auto link = [&](const std::string& as) {
      return ::linkat(AT_FDCWD, unnamed.c_str(), directory, as.c_str(), AT_SYMLINK_FOLLOW);
    };
    return make_or_replace(directory, name_, link, [](const std::string&) { return Status(); });
  }
  void remove_temporary() {
    if (!temporary_.empty()) ::unlinkat(directory_.fd.get(), temporary_.c_str(), 0);
    temporary_.clear();
  }

  HostSinkDirectory& directory_;  // kept open by the copy of what is below it
  const std::string name_;
  Descriptor fd_;
  std::string temporary_;  // empty: the file has no name yet
};

}  // namespace

Result<DirectoryRef> HostSink::open_root(const std::string& path) {
  auto directory = std::make_shared<HostSinkDirectory>();
  directory->fd = Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory->fd) return fail(errno);
  directory->path = path;
  return directory;
}

fs::Async<DirectoryRef> HostSink::make_directory(Directory& parent, std::string_view name) {
  HostSinkDirectory& in = host(parent);
  const std::string text(name);
  if (::mkdirat(in.fd.get(), text.c_str(), 0700) != 0 && errno != EEXIST) return ready<DirectoryRef>(fail(errno));
  auto directory = std::make_shared<HostSinkDirectory>();
  directory->fd = Descriptor(::openat(in.fd.get(), text.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!directory->fd && (errno == ENOTDIR || errno == ELOOP)) {
    return ready<DirectoryRef>(fail(EEXIST, "is no directory, but a directory is to go there: remove it first"));
  }
  if (!directory->fd) return ready<DirectoryRef>(fail(errno));
  directory->path = join(in.path, name);
  return ready<DirectoryRef>(std::move(directory));
}

fs::AsyncStatus HostSink::finish_directory(Directory& directory, const fs::Attr& attr, const Xattrs& xattrs) {
  return ready(set_all(host(directory).fd.get(), attr, xattrs));
}

fs::Async<std::unique_ptr<SinkFile>> HostSink::create(Directory& parent, std::string_view name, const fs::Attr&) {
  using Created = std::unique_ptr<SinkFile>;
  HostSinkDirectory& in = host(parent);
  std::string temporary;
  Descriptor fd(::openat(in.fd.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (!fd && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL)) {
    temporary = temporary_name();
    fd = Descriptor(::openat(in.fd.get(), temporary.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  }
  if (!fd) return ready<Created>(fail(errno));
  return ready<Created>(std::make_unique<HostSinkFile>(in, std::string(name), std::move(fd), std::move(temporary)));
}

fs::Async<Made> HostSink::symlink(Directory& parent, std::string_view name, std::string_view target,
                                  const fs::Attr& attr, const Xattrs& xattrs) {
  HostSinkDirectory& in = host(parent);
  const std::string to(target);
  const auto make = [&](const std::string& as) { return ::symlinkat(to.c_str(), in.fd.get(), as.c_str()); };
  const auto finish = [&](const std::string& as) { return set_all_at(in, as, attr, xattrs); };
  Status status = make_or_replace(in.fd.get(), std::string(name), make, finish);
  if (!status.ok()) return ready<Made>(fail(std::move(status)));
  Made made;
  made.path = join(in.path, name);
  return ready<Made>(std::move(made));
}

fs::Async<Made> HostSink::special(Directory& parent, std::string_view name, const fs::Attr& attr,
                                  const Xattrs& xattrs) {
  HostSinkDirectory& in = host(parent);
  const mode_t mode = (attr.mode & static_cast<mode_t>(S_IFMT)) | 0600U;
  const auto make = [&](const std::string& as) { return ::mknodat(in.fd.get(), as.c_str(), mode, attr.rdev); };
  const auto finish = [&](const std::string& as) { return set_all_at(in, as, attr, xattrs); };
  Status status = make_or_replace(in.fd.get(), std::string(name), make, finish);
  if (!status.ok()) return ready<Made>(fail(std::move(status)));
  Made made;
  made.path = join(in.path, name);
  return ready<Made>(std::move(made));
}

fs::AsyncStatus HostSink::link(const Made& made, Directory& parent, std::string_view name) {
  HostSinkDirectory& in = host(parent);
  const auto make = [&](const std::string& as) {
    return ::linkat(AT_FDCWD, made.path.c_str(), in.fd.get(), as.c_str(), 0);
  };
  return ready(make_or_replace(in.fd.get(), std::string(name), make, [](const std::string&) { return Status(); }));
}

}  // namespace ross::cli::copy
