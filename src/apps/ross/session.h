// Session: the pools and containers one run of a command has open, and the loop its calls are driven on.
//
// A container is opened at its first use and stays open; close() makes everything durable and tells the errors.
// Ownership: volumes live as long as the session is not closed. Threading: owner thread; a volume's file system may be
// used by other threads on loops of their own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "apps/ross/location.h"
#include "attach/attach.h"
#include "fs/path.h"
#include "runtime/loop.h"

namespace ross::cli {

// An open container with the credential of who runs the command.
struct Volume {
  fs::FileSystem& fs;
  runtime::Loop& loop;
  const fs::Credential& cred;

  // volume.wait(volume.fs.getattr(node))
  template <class T>
  T wait(runtime::Task<T> task) {
    return loop.block_on(std::move(task));
  }
  Result<fs::Attr> resolve(std::string_view path, fs::Follow follow);
  Result<fs::Place> resolve_parent(std::string_view path);
};

class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // The container of a location. EINVAL when it names a pool only.
  Result<Volume> volume(const Location& location);
  // The pool in a directory, or at a URL.
  Result<engine::Pool*> pool(const std::string& directory);
  [[nodiscard]] const fs::Credential& cred() const { return cred_; }
  Status close();

 private:
  const fs::Credential cred_;
  std::unique_ptr<runtime::Loop> loop_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<attach::Attachment>> attachments_;
  std::map<std::string, std::shared_ptr<engine::Pool>> pools_;  // shared by attach
};

// Who runs this process.
fs::Credential process_credential();

}  // namespace ross::cli
