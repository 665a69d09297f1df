// ross stat: everything known about a file, its extended attributes included.
#include <sys/stat.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/present/entry.h"
#include "apps/ross/present/size.h"
#include "apps/ross/present/text.h"

namespace ross::cli {
namespace {

struct StatOptions {
  std::vector<std::string> paths;
  bool follow = false;
};

Status show(Context& context, const StatOptions& options, const std::string& path) {
  auto opened = context.open(path);
  if (!opened.has_value()) return opened.error();
  auto& [location, volume] = *opened;
  auto attr = volume.resolve(location.path, options.follow ? fs::Follow::kYes : fs::Follow::kNo);
  if (!attr.has_value()) return attr.error();
  std::string target;
  if (S_ISLNK(attr->mode)) target = volume.wait(volume.fs.readlink(attr->node)).value_or("?");
  auto names = volume.wait(volume.fs.listxattr(volume.cred, attr->node));
  if (!names.has_value()) return names.error();

  Json json = entry_json("path", location.text, *attr);
  if (S_ISLNK(attr->mode)) put_name(json, "target", target);
  Json xattrs = Json::object();
  std::string xattr_lines;
  for (const std::string& name : *names) {
    auto value = volume.wait(volume.fs.getxattr(volume.cred, attr->node, name));
    if (!value.has_value()) continue;  // not for this user, or gone meanwhile
    put_name(xattrs, name, *value);
    xattr_lines += fmt::format("  xattr: {} = {}\n", escape_name(name),
                               is_utf8(*value) ? escape_name(*value) : "0x" + to_hex(*value));
  }
  json["xattrs"] = std::move(xattrs);
  std::string text = fmt::format("   path: {}\n", context.out.name(location.text));
  if (!target.empty()) text += fmt::format(" target: {}\n", context.out.name(target));
  text += fmt::format("   type: {}\n", type_word(attr->mode));
  text += fmt::format("   size: {} bytes ({}), {} allocated\n", attr->size_bytes, format_size(attr->size_bytes),
                      format_size(attr->allocated_bytes));
  text += fmt::format("   mode: {:04o} {}\n", attr->mode & 07777U, format_mode(attr->mode));
  text += fmt::format("  owner: {} ({})  group: {} ({})\n", user_name(attr->uid), attr->uid, group_name(attr->gid),
                      attr->gid);
  text += fmt::format("   node: {}  links: {}\n", attr->node.value, attr->links);
  text += fmt::format(" access: {}\n", format_time_full(attr->atime_ns));
  text += fmt::format(" modify: {}\n", format_time_full(attr->mtime_ns));
  text += fmt::format(" change: {}\n", format_time_full(attr->ctime_ns));
  text += fmt::format("  birth: {}\n", format_time_full(attr->btime_ns));
  context.out.item(json, text + xattr_lines);
  return {};
}

}  // namespace

void add_stat(Commands& commands) {
  auto options = std::make_shared<StatOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("stat", "Show everything about files: attributes, times, xattrs");
  command.option("PATH", options->paths, "The files").required();
  command.flag("-L,--follow", options->follow, "What a symbolic link leads to instead of the link");
  command.on_run([options](Context& context) {
    context.out.begin_list();
    Status status =
        for_each_path(context, options->paths, [&](const std::string& path) { return show(context, *options, path); });
    context.out.end_list();
    return status;
  });
}

}  // namespace ross::cli
