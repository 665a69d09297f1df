// A container as the source of a copy. Threading: any thread that drives a loop.
#pragma once

#include "apps/ross/copy/tree.h"

namespace ross::cli::copy {

class StoreSource final : public Source {
 public:
  // Both are borrowed.
  StoreSource(fs::FileSystem& fs, const fs::Credential& cred) : fs_(fs), cred_(cred) {}
  // The directory with this node.
  static DirectoryRef root_directory(fs::NodeId node);

  fs::Async<DirectoryRef> open_directory(Directory& parent, const Item& item) override;
  fs::Async<std::vector<Item>> list(Directory& directory) override;
  fs::Async<std::unique_ptr<SourceFile>> open_file(Directory& parent, const Item& item) override;
  fs::Async<std::string> readlink(Directory& parent, const Item& item) override;
  fs::Async<Xattrs> xattrs(Directory& parent, const Item& item, SourceFile* file) override;
  fs::Async<Xattrs> directory_xattrs(Directory& directory) override;

 private:
  fs::Async<Xattrs> node_xattrs(fs::NodeId node);
  fs::FileSystem& fs_;
  const fs::Credential& cred_;
};

}  // namespace ross::cli::copy
