// ross ln: another name for a file, or a symbolic link.
#include <sys/stat.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/present/explain.h"

namespace ross::cli {
namespace {

struct LnOptions {
  std::string target;
  std::string link;
  bool symbolic = false;
};

// Where a link goes: under its own name, or under the target's in a directory.
Result<fs::Place> place_of(Volume& volume, const Location& link, std::string_view target) {
  const auto there = volume.resolve(link.path, fs::Follow::kYes);
  if (there.has_value() && S_ISDIR(there->mode)) {
    const std::string_view name = base_name(target);
    if (name.empty()) return fail(EINVAL, "the target ends in no name: say what the link is to be called");
    return fs::Place{there->node, std::string(name)};
  }
  ROSS_TRY(fs::Place place, volume.resolve_parent(link.path));
  if (place.special || place.wants_directory) return fail(EEXIST);
  return place;
}

Status make_link(Context& context, const LnOptions& options) {
  auto to = context.open(options.link);
  if (!to.has_value()) return about(options.link, to.error());
  auto& [link, volume] = *to;
  if (options.symbolic) {
    const auto place = place_of(volume, link, options.target);
    if (!place.has_value()) return about(options.link, place.error());
    const auto made = volume.wait(volume.fs.symlink(volume.cred, place->parent, place->name, options.target));
    return made.has_value() ? Status() : about(options.link, made.error());
  }
  auto from = context.open(options.target);
  if (!from.has_value()) return about(options.target, from.error());
  if (&from->second.fs != &volume.fs) {
    return about(options.link, Status(EXDEV, "a hard link stays in its container: use 'ross cp'"));
  }
  const auto attr = volume.resolve(from->first.path, fs::Follow::kNo);
  if (!attr.has_value()) return about(options.target, attr.error());
  if (S_ISDIR(attr->mode)) {
    return about(options.target, Status(EPERM, "a directory has one name only: make a symbolic link with -s"));
  }
  const auto place = place_of(volume, link, from->first.path);
  if (!place.has_value()) return about(options.link, place.error());
  const auto made = volume.wait(volume.fs.link(volume.cred, attr->node, place->parent, place->name));
  return made.has_value() ? Status() : about(options.link, made.error());
}

}  // namespace

void add_ln(Commands& commands) {
  auto options = std::make_shared<LnOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("ln", "Give a file another name, or make a symbolic link");
  command.option("TARGET", options->target, "The file; with -s any text, a path seen from the link").required();
  command.option("LINK", options->link, "The new name, or the directory it goes into").required();
  command.flag("-s,--symbolic", options->symbolic, "A symbolic link");
  command.on_run([options](Context& context) { return make_link(context, *options); });
}

}  // namespace ross::cli
