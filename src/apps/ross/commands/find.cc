// ross find: names below directories by pattern, type and size.
#include <fnmatch.h>
#include <sys/stat.h>

#include <limits>
#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/interrupt.h"
#include "apps/ross/present/entry.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/size.h"
#include "apps/ross/walk.h"

namespace ross::cli {
namespace {

struct FindOptions {
  std::vector<std::string> paths = {":"};
  std::string name;
  std::string type;
  std::string size;
  unsigned depth_max = std::numeric_limits<unsigned>::max();
  bool zero = false;
};

// "+1M": at least; "-1M": at most; "1M": just that.
struct SizeRange {
  std::uint64_t least = 0;
  std::uint64_t most = UINT64_MAX;
};

Result<SizeRange> parse_range(std::string_view text) {
  SizeRange range;
  if (text.empty()) return range;
  const char sign = text.front();
  if (sign == '+' || sign == '-') text.remove_prefix(1);
  ROSS_TRY(const std::uint64_t size, parse_size(text));
  if (sign != '-') range.least = size;
  if (sign != '+') range.most = size;
  return range;
}

std::uint32_t type_bits(const std::string& type) {
  switch (type.empty() ? ' ' : type.front()) {
    case 'f':
      return S_IFREG;
    case 'd':
      return S_IFDIR;
    case 'l':
      return S_IFLNK;
    case 'p':
      return S_IFIFO;
    case 's':
      return S_IFSOCK;
    case 'b':
      return S_IFBLK;
    case 'c':
      return S_IFCHR;
    default:
      return 0;
  }
}

Status find(Context& context, const FindOptions& options, const SizeRange& range, const std::string& path) {
  auto opened = context.open(path);
  if (!opened.has_value()) return opened.error();
  auto& [location, volume] = *opened;
  const auto attr = volume.resolve(location.path, fs::Follow::kNo);
  if (!attr.has_value()) return attr.error();
  const std::uint32_t type = type_bits(options.type);
  Visitor visitor;
  visitor.enter = [&](const Visit& visit) {
    const std::string_view name = visit.depth == 0 ? base_name(visit.path) : std::string_view(visit.name);
    const bool wanted = (type == 0 || (visit.attr.mode & static_cast<std::uint32_t>(S_IFMT)) == type) &&
                        visit.attr.size_bytes >= range.least && visit.attr.size_bytes <= range.most &&
                        (options.name.empty() || ::fnmatch(options.name.c_str(), std::string(name).c_str(), 0) == 0);
    if (wanted) {
      const Json json = context.out.json() ? entry_json("path", visit.path, visit.attr) : Json();
      std::string line = options.zero ? visit.path : context.out.name(visit.path);
      line += options.zero ? '\0' : '\n';
      context.out.item(json, line);
    }
    return visit.depth < options.depth_max;
  };
  visitor.failed = [&](const Visit& visit, const Status& status) { context.report(visit.path, status); };
  visitor.stopped = [&] { return interrupted() || context.out.failed(); };
  walk(volume, Visit{location.text, {}, {}, *attr}, visitor);
  return {};
}

}  // namespace

void add_find(Commands& commands) {
  auto options = std::make_shared<FindOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("find", "List what is below directories, by name, type and size");
  command.option("PATH", options->paths, "Where to look (default: ROSS_URL)");
  command.option("--name", options->name, "A pattern for the name, as of the shell: '*.bin'");
  command.option("--type", options->type, "f file, d directory, l link, p FIFO, s socket, b and c devices")
      .one_of({"f", "d", "l", "p", "s", "b", "c"});
  command.option("--size", options->size, "+1M at least, -1M at most, 1M exactly").checked([](const std::string& text) {
    const auto range = parse_range(text);
    return range.has_value() ? std::string() : range.error().message();
  });
  command.option("--max-depth", options->depth_max, "How deep to look; 0 is PATH alone");
  command.flag("-0,--print0", options->zero, "A NUL behind each path instead of a line feed");
  command.on_run([options](Context& context) {
    const auto range = parse_range(options->size);
    if (!range.has_value()) return about("--size", range.error());
    context.out.begin_list();
    Status status = for_each_path(context, options->paths,
                                  [&](const std::string& path) { return find(context, *options, *range, path); });
    context.out.end_list();
    return status;
  });
}

}  // namespace ross::cli
