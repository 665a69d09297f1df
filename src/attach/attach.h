// attach: a URL becomes a FileSystem. The one room that knows every kind.
//
//   ROSS_TRY(auto attachment, attach::attach("local:/srv/ross/pool0/datasets", {}));
//   fs::FileSystem& fs = attachment->file_system();
//   ...
//   ROSS_STATUS(attachment->close());        // durable, and errors told
//
// Schemes: local:POOL_DIRECTORY/CONTAINER, where the last component names the container, and ross://HOST[:PORT]/POOL/CONTAINER for
// what a ross-engine serves; ross+tcp://... (or another fabric's name) chooses the data plane. Errors: EINVAL with the form expected
// for a URL that is none, ENAMETOOLONG, EPROTONOSUPPORT for a scheme that is not built in; those of opening a pool and a
// container, and of connecting (attach/connect.h). Attachments of one process to the same pool share it, with the options of the first.
// Ownership: the caller; a file system is not used after its attachment's close. Threading: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attach/share.h"
#include "base/status.h"
#include "engine/pool.h"
#include "fs/file_system.h"

namespace ross::attach {

struct Url {
  std::string scheme;     // "local" or "ross"
  std::string fabric;     // ross+FABRIC: the data plane's backend; empty: the best that both ends have
  std::string server;     // ross: HOST:PORT of the control plane
  std::string pool;       // local: the pool's directory; ross: its name at the server
  std::string container;  // empty where the URL names only a pool

  // The pool alone, as people know it: local: its directory, ross: its URL.
  [[nodiscard]] std::string pool_place() const;
};
inline constexpr std::uint16_t kPort = 7470;  // where the URL names none
// want_container: whether the URL must end in a container's name. Accepts a plain path as local:.
Result<Url> parse_url(std::string_view text, bool want_container);

class Attachment {
 public:
  virtual ~Attachment() = default;
  virtual fs::FileSystem& file_system() = 0;
  // The pool behind it, in this process or in the one that serves it; null where there is none.
  virtual engine::Pool* pool() = 0;
  virtual Status close() = 0;
};

struct AttachOptions {
  engine::PoolOptions pool;
  // server::share: the first process serves the pool to the others, a later one connects to it (attach/share.h). Empty:
  // the pool is this process's alone, and EBUSY while another has it.
  Share share;
};

Result<std::unique_ptr<Attachment>> attach(std::string_view url, const AttachOptions& options);
// The pool alone, shared with attachments of this process.
Result<std::shared_ptr<engine::Pool>> attach_pool(std::string_view url, const AttachOptions& options);

}  // namespace ross::attach
