#include "apps/ross/session.h"

#include <unistd.h>

#include "server/share.h"

namespace ross::cli {
namespace {

// POSIX has no empty path; a location's stands for the container's root.
std::string_view from_root(std::string_view path) { return path.empty() ? "/" : path; }

// A command works beside other programs on the pool: through the one that has it open, or as the one that has. The
// options of opening a pool are the defaults: the command line tunes nothing.
attach::AttachOptions sharing() {
  attach::AttachOptions options;
  options.share = &server::share;
  return options;
}

}  // namespace

fs::Credential process_credential() {
  fs::Credential cred;
  cred.uid = ::geteuid();
  cred.gid = ::getegid();
  const int count = ::getgroups(0, nullptr);
  if (count > 0) {
    cred.groups.resize(static_cast<std::size_t>(count));
    const int got = ::getgroups(count, cred.groups.data());
    cred.groups.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  }
  return cred;
}

Result<fs::Attr> Volume::resolve(std::string_view path, fs::Follow follow) {
  return wait(fs::resolve(fs, cred, fs::kRootNode, from_root(path), follow));
}
Result<fs::Place> Volume::resolve_parent(std::string_view path) {
  return wait(fs::resolve_parent(fs, cred, fs::kRootNode, from_root(path)));
}

Session::Session() : cred_(process_credential()) {}
Session::~Session() { static_cast<void>(close()); }

Result<Volume> Session::volume(const Location& location) {
  if (location.container.empty()) {
    return fail(EINVAL, "names a pool and no container: add one of 'ross container list " + location.pool + "'");
  }
  if (loop_ == nullptr) {
    ROSS_TRY(loop_, runtime::Loop::create());
  }
  auto& attachment = attachments_[{location.pool, location.container}];
  if (attachment == nullptr) {
    auto opened = attach::attach(join(pool_url(location.pool), location.container), sharing());
    if (!opened.has_value()) {
      attachments_.erase({location.pool, location.container});
      return fail(std::move(opened).error());
    }
    attachment = *std::move(opened);
  }
  return Volume{attachment->file_system(), *loop_, cred_};
}

Result<engine::Pool*> Session::pool(const std::string& directory) {
  auto found = pools_.find(directory);
  if (found == pools_.end()) {
    ROSS_TRY(auto pool, attach::attach_pool(pool_url(directory), sharing()));
    found = pools_.emplace(directory, std::move(pool)).first;
  }
  return found->second.get();
}

Status Session::close() {
  Status first;
  // A pool's own share ends before its containers', so that the last close is one whose errors are told.
  for (auto& [directory, pool] : pools_) {
    Status status = pool->sync();
    if (first.ok() && !status.ok()) first = status.with_context(directory);
  }
  pools_.clear();
  for (auto& [name, attachment] : attachments_) {
    Status status = attachment->close();
    if (first.ok() && !status.ok()) first = status.with_context(name.first);
  }
  attachments_.clear();
  return first;
}

}  // namespace ross::cli
