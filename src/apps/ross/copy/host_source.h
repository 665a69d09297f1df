// The host's file system as the source of a copy. Threading: any thread; calls block.
#pragma once

#include <string>

#include "apps/ross/copy/tree.h"

namespace ross::cli::copy {

class HostSource final : public Source {
 public:
  // What a path names, and the directory to open it from. A directory's item has no name of its own in parent:
  // open() it with root_directory.
  struct Root {
    DirectoryRef parent;     // of anything but a directory
    DirectoryRef directory;  // set when the path is a directory
    Item item;
  };
  static Result<Root> open_root(const std::string& path);

  fs::Async<DirectoryRef> open_directory(Directory& parent, const Item& item) override;
  fs::Async<std::vector<Item>> list(Directory& directory) override;
  fs::Async<std::unique_ptr<SourceFile>> open_file(Directory& parent, const Item& item) override;
  fs::Async<std::string> readlink(Directory& parent, const Item& item) override;
  fs::Async<Xattrs> xattrs(Directory& parent, const Item& item, SourceFile* file) override;
  fs::Async<Xattrs> directory_xattrs(Directory& directory) override;
};

}  // namespace ross::cli::copy
