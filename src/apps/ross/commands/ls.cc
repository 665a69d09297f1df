// ross ls: what is in a directory, or the containers of a pool.
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/interrupt.h"
#include "apps/ross/present/entry.h"
#include "apps/ross/walk.h"

namespace ross::cli {
namespace {

struct LsOptions {
  std::vector<std::string> paths = {":"};
  bool long_form = false;
  bool exact = false;
  bool all = false;
  bool directory = false;
  bool recursive = false;
  bool unsorted = false;
};

class Lister {
 public:
  Lister(Context& context, const LsOptions& options) : context_(context), options_(options) {}

  Status list(const std::string& path) {
    auto location = parse_location(path, Plain::kStore);
    if (!location.has_value()) return location.error();
    if (location->container.empty()) return list_pool(*location);
    auto volume = context_.session.volume(*location);
    if (!volume.has_value()) return volume.error();
    // A link that is named is shown; with a '/' behind it, what it leads to.
    auto attr = volume->resolve(location->path, options_.long_form ? fs::Follow::kNo : fs::Follow::kYes);
    if (!attr.has_value()) return attr.error();
    if (!S_ISDIR(attr->mode) || options_.directory) {
      show(*volume, {}, location->text, *attr);
      return {};
    }
    return list_tree(*volume, location->text, *attr);
  }

 private:
  Status list_pool(const Location& location) {
    auto pool = context_.session.pool(location.pool);
    if (!pool.has_value()) return pool.error();
    for (const engine::ContainerInfo& container : (*pool)->containers()) {
      Json json;
      put_name(json, "name", container.name);
      json["type"] = "container";
      context_.out.item(json, context_.out.name(container.name) + "\n");
    }
    return {};
  }

  // One directory, and with -R those below it, each under a heading.
  Status list_tree(Volume& volume, const std::string& path, const fs::Attr& root) {
    std::vector<std::pair<std::string, fs::NodeId>> left = {{path, root.node}};
    for (bool first = true; !left.empty() && !stopped(); first = false) {
      const auto [directory, node] = std::move(left.back());
      left.pop_back();
      if (options_.recursive || options_.paths.size() > 1) {
        context_.out.text(fmt::format("{}{}:\n", first && !headed_ ? "" : "\n", context_.out.name(directory)));
        headed_ = true;
      }
      std::vector<fs::DirEntry> entries;
      Status status = list_directory(volume, node, [&](fs::DirEntry& entry) {
        if (entry.name.starts_with('.') && !options_.all) return Status();
        if (stopped()) return Status(ECANCELED);
        if (options_.unsorted && !options_.recursive) {
          show(volume, directory, entry.name, *entry.attr);
        } else {
          entries.push_back(std::move(entry));
        }
        return Status();
      });
      if (status.error() == ECANCELED) return {};
      if (!status.ok() && first) return status;
      if (!status.ok()) context_.report(directory, status);
      if (!options_.unsorted) std::ranges::sort(entries, {}, &fs::DirEntry::name);
      for (const fs::DirEntry& entry : entries) show(volume, directory, entry.name, *entry.attr);
      if (!options_.recursive) continue;
      for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        if (S_ISDIR(entry->attr->mode)) left.emplace_back(join(directory, entry->name), entry->node);
      }
    }
    return {};
  }

  void show(Volume& volume, const std::string& directory, const std::string& name, const fs::Attr& attr) {
    std::string target;
    if (S_ISLNK(attr.mode) && (options_.long_form || context_.out.json())) {
      target = volume.wait(volume.fs.readlink(attr.node)).value_or("?");
    }
    Json json;
    if (context_.out.json()) {
      json = entry_json("name", name, attr);
      if (options_.recursive || options_.paths.size() > 1) put_name(json, "directory", directory);
      if (S_ISLNK(attr.mode)) put_name(json, "target", target);
    }
    std::string line = options_.long_form ? long_listing(attr, options_.exact) : std::string();
    line += context_.out.name(name);
    if (S_ISLNK(attr.mode) && options_.long_form) line += " -> " + context_.out.name(target);
    context_.out.item(json, line + "\n");
  }

  bool stopped() const { return interrupted() || context_.out.failed(); }

  Context& context_;
  const LsOptions& options_;
  bool headed_ = false;
};

}  // namespace

void add_ls(Commands& commands) {
  auto options = std::make_shared<LsOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("ls", "List directories; of a pool, its containers");
  command.option("PATH", options->paths, "What to list (default: ROSS_URL)");
  command.flag("-l,--long", options->long_form, "Mode, links, owner, group, size and time too");
  command.flag("-b,--bytes", options->exact, "Sizes in bytes");
  command.flag("-a,--all", options->all, "Names that begin with '.' too");
  command.flag("-d,--directory", options->directory, "A directory itself, not what is in it");
  command.flag("-R,--recursive", options->recursive, "Everything below too");
  command.flag("-U,--unsorted", options->unsorted, "In the container's own order, as entries are read");
  command.on_run([options](Context& context) {
    Lister lister(context, *options);
    context.out.begin_list();
    Status status = for_each_path(context, options->paths, [&](const std::string& path) { return lister.list(path); });
    context.out.end_list();
    return status;
  });
}

}  // namespace ross::cli
