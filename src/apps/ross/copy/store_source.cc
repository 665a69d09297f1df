#include "apps/ross/copy/store_source.h"

#include <utility>

namespace ross::cli::copy {
namespace {

struct StoreSourceDirectory final : Directory {
  fs::NodeId node;
  std::uint64_t cursor = 0;
  bool ended = false;
};

class StoreSourceFile final : public SourceFile {
 public:
  StoreSourceFile(fs::FileSystem& fs, fs::Opened opened) : fs_(fs), opened_(std::move(opened)) {}
  const fs::Attr& attr() const override { return opened_.attr; }

  fs::Async<std::uint64_t> read(std::uint64_t offset_bytes, std::span<std::byte> into) override {
    return fs_.read(opened_.file, offset_bytes, memory::Memory(into));
  }
  fs::Async<Extent> next_data(std::uint64_t offset_bytes) override {
    const std::uint64_t size = opened_.attr.size_bytes;
    const auto begin = co_await fs_.seek(opened_.file, fs::SeekKind::kData, offset_bytes);
    if (!begin.has_value() && begin.error().error() == ENXIO) co_return Extent{size, size};
    if (!begin.has_value()) co_return fail(begin.error());
    ROSS_CO_TRY(const std::uint64_t end, co_await fs_.seek(opened_.file, fs::SeekKind::kHole, *begin));
    co_return Extent{*begin, end};
  }
  fs::AsyncStatus close() override { return fs_.close(opened_.file); }

 private:
  fs::FileSystem& fs_;
  const fs::Opened opened_;
};

}  // namespace

DirectoryRef StoreSource::root_directory(fs::NodeId node) {
  auto directory = std::make_shared<StoreSourceDirectory>();
  directory->node = node;
  return directory;
}

fs::Async<DirectoryRef> StoreSource::open_directory(Directory&, const Item& item) {
  return fs::Async<DirectoryRef>::ready(root_directory(item.attr.node));
}

fs::Async<std::vector<Item>> StoreSource::list(Directory& directory) {
  auto& store = static_cast<StoreSourceDirectory&>(directory);
  std::vector<Item> items;
  if (store.ended) co_return items;
  fs::ReaddirOptions options;
  options.cursor = store.cursor;
  options.entries_max = kListMax;
  options.with_attr = true;
  ROSS_CO_TRY(auto entries, co_await fs_.readdir(cred_, store.node, options));
  store.ended = entries.empty();
  items.reserve(entries.size());
  for (fs::DirEntry& entry : entries) {
    store.cursor = entry.cursor;
    Item item;
    if (entry.attr.has_value()) {
      item.attr = *entry.attr;
    } else {
      auto attr = co_await fs_.getattr(entry.node);
      if (!attr.has_value() && (attr.error().error() == ENOENT || attr.error().error() == ESTALE)) continue;
      if (!attr.has_value()) co_return fail(attr.error().with_context(entry.name));
      item.attr = *attr;
    }
    item.name = std::move(entry.name);
    items.push_back(std::move(item));
  }
  co_return items;
}

fs::Async<std::unique_ptr<SourceFile>> StoreSource::open_file(Directory&, const Item& item) {
  fs::OpenFlags flags;
  flags.read = true;
  ROSS_CO_TRY(fs::Opened opened, co_await fs_.open(cred_, item.attr.node, flags));
  std::unique_ptr<SourceFile> file = std::make_unique<StoreSourceFile>(fs_, std::move(opened));
  co_return file;
}

fs::Async<std::string> StoreSource::readlink(Directory&, const Item& item) { return fs_.readlink(item.attr.node); }

fs::Async<Xattrs> StoreSource::xattrs(Directory&, const Item& item, SourceFile*) { return node_xattrs(item.attr.node); }

fs::Async<Xattrs> StoreSource::directory_xattrs(Directory& directory) {
  return node_xattrs(static_cast<StoreSourceDirectory&>(directory).node);
}

fs::Async<Xattrs> StoreSource::node_xattrs(fs::NodeId node) {
  Xattrs xattrs;
  ROSS_CO_TRY(const std::vector<std::string> names, co_await fs_.listxattr(cred_, node));
  for (const std::string& name : names) {
    if (!keeps_xattr(name, cred_.uid == 0)) continue;
    auto value = co_await fs_.getxattr(cred_, node, name);
    if (!value.has_value() && value.error().error() == ENODATA) continue;  // gone meanwhile
    if (!value.has_value()) co_return fail(value.error());
    xattrs.emplace_back(name, *std::move(value));
  }
  co_return xattrs;
}

}  // namespace ross::cli::copy
