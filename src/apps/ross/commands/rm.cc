// ross rm: removes files and, with -r, directories and all below them.
#include <sys/stat.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/interrupt.h"
#include "apps/ross/present/progress.h"
#include "apps/ross/walk.h"

namespace ross::cli {
namespace {

struct RmOptions {
  std::vector<std::string> paths;
  bool recursive = false;
  bool force = false;
};

class Remover {
 public:
  Remover(Context& context, const RmOptions& options) : context_(context), options_(options), progress_(2) {
    context_.set_before_line([this] { progress_.clear(); });
  }
  ~Remover() { context_.set_before_line({}); }

  Status remove(const std::string& path) {
    auto opened = context_.open(path);
    if (!opened.has_value()) return opened.error();
    auto& [location, volume] = *opened;
    const auto place = volume.resolve_parent(location.path);
    if (!place.has_value()) return forgiven(place.error());
    if (place->special) return Status(EBUSY, "has no name that could be removed: name it from its parent");
    const auto attr = volume.wait(volume.fs.lookup(volume.cred, place->parent, place->name));
    if (!attr.has_value()) return forgiven(attr.error());
    if (S_ISDIR(attr->mode) && !options_.recursive) return Status(EISDIR, "is a directory: add -r to remove it");
    Visit root{location.text, place->name, place->parent, *attr};
    Visitor visitor;
    visitor.enter = [&](const Visit& visit) {
      if (S_ISDIR(visit.attr.mode)) return true;
      done(visit, volume.wait(volume.fs.unlink(volume.cred, visit.parent, visit.name)));
      return false;
    };
    visitor.leave = [&](const Visit& visit) {
      done(visit, volume.wait(volume.fs.rmdir(volume.cred, visit.parent, visit.name)));
    };
    visitor.failed = [&](const Visit& visit, const Status& status) { context_.report(visit.path, status); };
    visitor.stopped = [] { return interrupted(); };
    walk(volume, std::move(root), visitor);
    return {};
  }
  [[nodiscard]] std::uint64_t removed() const { return removed_; }

 private:
  Status forgiven(const Status& status) const { return options_.force && status.error() == ENOENT ? Status() : status; }
  void done(const Visit& visit, const Status& status) {
    if (!status.ok() && forgiven(status).ok()) return;
    if (!status.ok()) return context_.report(visit.path, status);
    ++removed_;
    progress_.update({.items = {}, .done = removed_, .bytes = false});
  }

  Context& context_;
  const RmOptions& options_;
  Progress progress_;
  std::uint64_t removed_ = 0;
};

}  // namespace

void add_rm(Commands& commands) {
  auto options = std::make_shared<RmOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("rm", "Remove files and directories");
  command.option("PATH", options->paths, "What to remove; links are removed, not what they lead to").required();
  command.flag("-r,--recursive", options->recursive, "Directories and all below them");
  command.flag("-f,--force", options->force, "What is not there is no failure");
  command.on_run([options](Context& context) {
    Remover remover(context, *options);
    Status status =
        for_each_path(context, options->paths, [&](const std::string& path) { return remover.remove(path); });
    context.out.object(Json::object({{"removed", remover.removed()}}), "");
    if (interrupted())
      context.note(fmt::format("ross: interrupted: {} removed, the rest is as it was", remover.removed()));
    return status;
  });
}

}  // namespace ross::cli
