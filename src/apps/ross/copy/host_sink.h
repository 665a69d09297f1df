// The host's file system as the destination of a copy: files are made without a name (or under a temporary one where
// the file system has no such files) and named when they are whole.
// Threading: any thread; calls block.
#pragma once

#include <string>

#include "apps/ross/copy/tree.h"

namespace ross::cli::copy {

class HostSink final : public Sink {
 public:
  // An existing directory that everything else is reached from.
  static Result<DirectoryRef> open_root(const std::string& path);

  fs::Async<DirectoryRef> make_directory(Directory& parent, std::string_view name) override;
  fs::AsyncStatus finish_directory(Directory& directory, const fs::Attr& attr, const Xattrs& xattrs) override;
  fs::Async<std::unique_ptr<SinkFile>> create(Directory& parent, std::string_view name, const fs::Attr& attr) override;
  fs::Async<Made> symlink(Directory& parent, std::string_view name, std::string_view target, const fs::Attr& attr,
                          const Xattrs& xattrs) override;
  fs::Async<Made> special(Directory& parent, std::string_view name, const fs::Attr& attr,
                          const Xattrs& xattrs) override;
  fs::AsyncStatus link(const Made& made, Directory& parent, std::string_view name) override;
};

}  // namespace ross::cli::copy
