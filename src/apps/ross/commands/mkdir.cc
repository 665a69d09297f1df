// ross mkdir: makes directories.
#include <sys/stat.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/stream.h"

namespace ross::cli {
namespace {

struct MkdirOptions {
  std::vector<std::string> paths;
  bool parents = false;
  std::string mode;  // empty: 0777 without the umask's bits
};

Status make(Context& context, const MkdirOptions& options, std::uint32_t mode, const std::string& path) {
  auto opened = context.open(path);
  if (!opened.has_value()) return opened.error();
  auto& [location, volume] = *opened;
  if (options.parents) return make_directories(volume, location.path, mode);
  const auto place = volume.resolve_parent(location.path);
  if (!place.has_value()) return place.error();
  if (place->special) return Status(EEXIST);
  const auto made = volume.wait(volume.fs.mkdir(volume.cred, place->parent, place->name, mode));
  return made.has_value() ? Status() : made.error();
}

}  // namespace

void add_mkdir(Commands& commands) {
  auto options = std::make_shared<MkdirOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("mkdir", "Make directories");
  command.option("PATH", options->paths, "The directories").required();
  command.flag("-p,--parents", options->parents, "Those missing on the way too; one that is there is no failure");
  command.option("-m,--mode", options->mode, "Permission bits, in octal (default: 0777 without the umask's)")
      .checked([](const std::string& text) {
        const bool octal = !text.empty() && text.size() <= 5 && text.find_first_not_of("01234567") == text.npos;
        return octal ? std::string() : "'" + text + "' is no mode: write it in octal, as in 0755";
      });
  command.on_run([options](Context& context) {
    std::uint32_t mode = 0777;
    if (options->mode.empty()) {
      const mode_t mask = ::umask(0);
      ::umask(mask);
      mode &= ~mask;
    } else {
      mode = static_cast<std::uint32_t>(std::stoul(options->mode, nullptr, 8)) & 07777U;
    }
    return for_each_path(context, options->paths,
                         [&](const std::string& path) { return make(context, *options, mode, path); });
  });
}

}  // namespace ross::cli
