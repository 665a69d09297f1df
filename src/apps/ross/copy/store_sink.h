// A container as the destination of a copy: files are made without a name and published whole.
// Threading: any thread that drives a loop.
#pragma once

#include "apps/ross/copy/tree.h"

namespace ross::cli::copy {

class StoreSink final : public Sink {
 public:
  // Both are borrowed.
  StoreSink(fs::FileSystem& fs, const fs::Credential& cred) : fs_(fs), cred_(cred) {}
  static DirectoryRef root_directory(fs::NodeId node);
  static fs::NodeId node_of(const Directory& directory);

  fs::Async<DirectoryRef> make_directory(Directory& parent, std::string_view name) override;
  fs::AsyncStatus finish_directory(Directory& directory, const fs::Attr& attr, const Xattrs& xattrs) override;
  fs::Async<std::unique_ptr<SinkFile>> create(Directory& parent, std::string_view name, const fs::Attr& attr) override;
  fs::Async<Made> symlink(Directory& parent, std::string_view name, std::string_view target, const fs::Attr& attr,
                          const Xattrs& xattrs) override;
  fs::Async<Made> special(Directory& parent, std::string_view name, const fs::Attr& attr,
                          const Xattrs& xattrs) override;
  fs::AsyncStatus link(const Made& made, Directory& parent, std::string_view name) override;

 private:
  // Makes something under a name of its own and moves it over what has the name already.
  template <class Make>
  fs::Async<fs::NodeId> make_or_replace(fs::NodeId parent, std::string_view name, const Make& make);
  fs::FileSystem& fs_;
  const fs::Credential& cred_;
};

}  // namespace ross::cli::copy
