// ross mv: another name or place in the same container, atomically.
#include <sys/stat.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/present/explain.h"

namespace ross::cli {
namespace {

struct MvOptions {
  std::vector<std::string> paths;
  bool no_replace = false;
  bool exchange = false;
};

Status move(Context& context, const MvOptions& options, const std::string& from_text, const std::string& to_text,
            bool into) {
  auto from = context.open(from_text);
  if (!from.has_value()) return from.error();
  auto to = context.open(to_text);
  if (!to.has_value()) return about(to_text, to.error());
  auto& [source, volume] = *from;
  auto& [target, target_volume] = *to;
  if (&volume.fs != &target_volume.fs) return Status(EXDEV);
  const auto old_place = volume.resolve_parent(source.path);
  if (!old_place.has_value()) return old_place.error();
  if (old_place->special) return Status(EBUSY, "has no name that could be moved: name it from its parent");
  fs::Place new_place;
  const auto there = volume.resolve(target.path, fs::Follow::kYes);
  if (there.has_value() && S_ISDIR(there->mode) && !options.exchange) {
    new_place = fs::Place{there->node, old_place->name};
  } else if (into) {
    const int error = there.has_value() ? ENOTDIR : there.error().error();
    return Status(error, to_text + " is no directory: several things can only be moved into one");
  } else {
    auto place = volume.resolve_parent(target.path);
    if (!place.has_value()) return about(to_text, place.error());
    if (place->special) return about(to_text, Status(EBUSY));
    new_place = *std::move(place);
  }
  const auto flags = options.exchange     ? fs::RenameFlags::kExchange
                     : options.no_replace ? fs::RenameFlags::kNoReplace
                                          : fs::RenameFlags::kReplace;
  return volume.wait(
      volume.fs.rename(volume.cred, old_place->parent, old_place->name, new_place.parent, new_place.name, flags));
}

}  // namespace

void add_mv(Commands& commands) {
  auto options = std::make_shared<MvOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("mv", "Rename, or move into a directory of the same container");
  command.option("PATH", options->paths, "What to move, and last where to").required().at_least(2);
  const Argument no_replace = command.flag("-n,--no-replace", options->no_replace, "Fail if the new name is taken");
  command.flag("--exchange", options->exchange, "Swap the two, atomically").excludes(no_replace);
  command.on_run([options](Context& context) {
    std::vector<std::string> from = options->paths;
    const std::string to = from.back();
    from.pop_back();
    const bool into = from.size() > 1;
    return for_each_path(context, from,
                         [&](const std::string& path) { return move(context, *options, path, to, into); });
  });
}

}  // namespace ross::cli
