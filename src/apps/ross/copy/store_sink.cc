#include "apps/ross/copy/store_sink.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "base/random.h"

namespace ross::cli::copy {
namespace {

struct StoreSinkDirectory final : Directory {
  fs::NodeId node;
};

fs::SetAttr attributes(const fs::Credential& cred, const fs::Attr& attr) {
  fs::SetAttr change;
  if (!S_ISLNK(attr.mode)) change.mode = attr.mode & 07777U;  // a link has no mode of its own
  change.atime_ns = attr.atime_ns;
  change.mtime_ns = attr.mtime_ns;
  if (cred.uid == 0) {
    change.uid = attr.uid;
    change.gid = attr.gid;
  } else if (change.mode.has_value() && (attr.uid != cred.uid || attr.gid != cred.gid)) {
    // The copy is another's now: a right to act as its owner or group must not come along.
    change.mode = attr.mode & 01777U;
  }
  return change;
}

fs::AsyncStatus set_all(fs::FileSystem& fs, const fs::Credential& cred, fs::NodeId node, const fs::Attr& attr,
                        const Xattrs& xattrs) {
  const fs::SetAttr change = attributes(cred, attr);
  // Root sets xattrs last, because a change of owner drops capabilities; others first, while they may still write.
  const bool xattrs_last = cred.uid == 0;
  if (xattrs_last) {
    const auto set = co_await fs.setattr(cred, node, change);
    if (!set.has_value()) co_return set.error();
  }
  for (const auto& [name, value] : xattrs) {
    Status status = co_await fs.setxattr(cred, node, name, value, fs::XattrFlags::kSet);
    if (!status.ok()) co_return status.with_context("xattr " + name);
  }
  if (!xattrs_last) {
    const auto set = co_await fs.setattr(cred, node, change);
    if (!set.has_value()) co_return set.error();
  }
  co_return Status();
}

class StoreSinkFile final : public SinkFile {
 public:
  StoreSinkFile(fs::FileSystem& fs, const fs::Credential& cred, fs::NodeId parent, std::string_view name,
                fs::Opened opened)
      : fs_(fs), cred_(cred), parent_(parent), name_(name), opened_(std::move(opened)) {}

  fs::AsyncStatus write(std::uint64_t offset_bytes, std::span<const std::byte> from) override {
    const memory::Memory memory = memory::Memory::for_write(from.data(), from.size());
    const auto written = co_await fs_.write(opened_.file, offset_bytes, memory);
    co_return written.has_value() ? Status() : written.error();
  }
  fs::AsyncStatus resize(std::uint64_t size_bytes) override {
    fs::SetAttr change;
    change.size_bytes = size_bytes;
    const auto set = co_await fs_.setattr(cred_, opened_.attr.node, change, opened_.file);
    co_return set.has_value() ? Status() : set.error();
  }
  fs::Async<Made> commit(const fs::Attr& attr, const Xattrs& xattrs) override {
    Status status = co_await set_all(fs_, cred_, opened_.attr.node, attr, xattrs);
    if (status.ok()) status = co_await fs_.publish(cred_, opened_.file, parent_, name_);
    const Status closed = co_await fs_.close(opened_.file);
    if (!status.ok()) co_return fail(status);
    if (!closed.ok()) co_return fail(closed);
    Made made;
    made.node = opened_.attr.node;
    co_return made;
  }
  fs::AsyncStatus abandon() override { return fs_.close(opened_.file); }

 private:
  fs::FileSystem& fs_;
  const fs::Credential& cred_;
  const fs::NodeId parent_;
  const std::string name_;
  const fs::Opened opened_;
};

}  // namespace

DirectoryRef StoreSink::root_directory(fs::NodeId node) {
  auto directory = std::make_shared<StoreSinkDirectory>();
  directory->node = node;
  return directory;
}

fs::NodeId StoreSink::node_of(const Directory& directory) {
  return static_cast<const StoreSinkDirectory&>(directory).node;
}

fs::Async<DirectoryRef> StoreSink::make_directory(Directory& parent, std::string_view name) {
  const fs::NodeId node = node_of(parent);
  auto made = co_await fs_.mkdir(cred_, node, name, 0700);
  if (!made.has_value() && made.error().error() == EEXIST) {
    made = co_await fs_.lookup(cred_, node, name);
    if (made.has_value() && !S_ISDIR(made->mode)) {
      co_return fail(EEXIST, "is no directory, but a directory is to go there: remove it first");
    }
  }
  if (!made.has_value()) co_return fail(made.error());
  co_return root_directory(made->node);
}

fs::AsyncStatus StoreSink::finish_directory(Directory& directory, const fs::Attr& attr, const Xattrs& xattrs) {
  return set_all(fs_, cred_, node_of(directory), attr, xattrs);
}

fs::Async<std::unique_ptr<SinkFile>> StoreSink::create(Directory& parent, std::string_view name, const fs::Attr&) {
  const fs::NodeId node = node_of(parent);
  ROSS_CO_TRY(fs::Opened opened, co_await fs_.create_unnamed(cred_, node, 0600));
  std::unique_ptr<SinkFile> file = std::make_unique<StoreSinkFile>(fs_, cred_, node, name, std::move(opened));
  co_return file;
}

template <class Make>
fs::Async<fs::NodeId> StoreSink::make_or_replace(fs::NodeId parent, std::string_view name, const Make& make) {
  const auto made = co_await make(name);
  if (made.has_value()) co_return made->node;
  if (made.error().error() != EEXIST) co_return fail(made.error());
  const std::string temporary = fmt::format(".ross-cp-{:016x}", random_seed());
  const auto other = co_await make(temporary);
  if (!other.has_value()) co_return fail(other.error());
  Status status = co_await fs_.rename(cred_, parent, temporary, parent, name, fs::RenameFlags::kReplace);
  // Two links of one file are no replacement for each other: rename leaves both, and a failed one leaves the temporary.
  const Status removed = co_await fs_.unlink(cred_, parent, temporary);
  if (!removed.ok() && removed.error() != ENOENT && status.ok()) status = removed;
  if (!status.ok()) co_return fail(status);
  co_return other->node;
}

fs::Async<Made> StoreSink::symlink(Directory& parent, std::string_view name, std::string_view target,
                                   const fs::Attr& attr, const Xattrs& xattrs) {
  const fs::NodeId node = node_of(parent);
  const auto make = [&](std::string_view as) { return fs_.symlink(cred_, node, as, target); };
  ROSS_CO_TRY(const fs::NodeId link, co_await make_or_replace(node, name, make));
  ROSS_CO_OK(co_await set_all(fs_, cred_, link, attr, xattrs));
  Made made;
  made.node = link;
  co_return made;
}

fs::Async<Made> StoreSink::special(Directory& parent, std::string_view name, const fs::Attr& attr,
                                   const Xattrs& xattrs) {
  const fs::NodeId node = node_of(parent);
  const std::uint32_t mode = (attr.mode & static_cast<std::uint32_t>(S_IFMT)) | 0600U;
  const auto make = [&](std::string_view as) { return fs_.mknod(cred_, node, as, mode, attr.rdev); };
  ROSS_CO_TRY(const fs::NodeId special, co_await make_or_replace(node, name, make));
  ROSS_CO_OK(co_await set_all(fs_, cred_, special, attr, xattrs));
  Made made;
  made.node = special;
  co_return made;
}

fs::AsyncStatus StoreSink::link(const Made& made, Directory& parent, std::string_view name) {
  const fs::NodeId node = node_of(parent);
  const auto make = [&](std::string_view as) { return fs_.link(cred_, made.node, node, as); };
  const auto linked = co_await make_or_replace(node, name, make);
  co_return linked.has_value() ? Status() : linked.error();
}

}  // namespace ross::cli::copy
