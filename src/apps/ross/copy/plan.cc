#include "apps/ross/copy/plan.h"

#include <sys/stat.h>

#include <map>

#include "apps/ross/copy/host_sink.h"
#include "apps/ross/copy/host_source.h"
#include "apps/ross/copy/store_sink.h"
#include "apps/ross/copy/store_source.h"

namespace ross::cli::copy {
namespace {

// Where copies go.
struct Target {
  Location location;
  std::unique_ptr<Sink> sink;
  std::optional<Volume> volume;
  DirectoryRef directory;     // the target, if it is a directory
  fs::NodeId directory_node;  // in a container
  DirectoryRef parent;        // the directory that holds the target, and its name there; null when it has none
  fs::NodeId parent_node;
  std::string name;
};

Status open_host_target(Target& target) {
  const std::string& path = target.location.text;
  target.sink = std::make_unique<HostSink>();
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) {
      auto directory = HostSink::open_root(path);
      if (!directory.has_value()) return directory.error();
      target.directory = *std::move(directory);
    }
  } else if (errno != ENOENT) {
    return Status(errno);
  }
  target.name = base_name(path);
  if (target.name.empty()) return target.directory != nullptr ? Status() : Status(ENOENT);
  std::string parent = path;
  while (parent.size() > 1 && parent.ends_with('/')) parent.pop_back();
  const std::size_t slash = parent.rfind('/');
  parent = slash == std::string::npos ? "." : parent.substr(0, slash + 1);
  auto directory = HostSink::open_root(parent);
  if (!directory.has_value()) {
    return Status(directory.error().error(), parent + " cannot be entered: make it first");
  }
  target.parent = *std::move(directory);
  return {};
}

Status open_store_target(Session& session, Target& target) {
  auto volume = session.volume(target.location);
  if (!volume.has_value()) return volume.error();
  target.volume.emplace(*volume);
  target.sink = std::make_unique<StoreSink>(volume->fs, session.cred());
  const auto found = volume->resolve(target.location.path, fs::Follow::kYes);
  if (found.has_value() && S_ISDIR(found->mode)) {
    target.directory = StoreSink::root_directory(found->node);
    target.directory_node = found->node;
  } else if (!found.has_value() && found.error().error() != ENOENT) {
    return found.error();
  }
  const auto place = volume->resolve_parent(target.location.path);
  if (!place.has_value()) return place.error();
  if (place->special) return target.directory != nullptr ? Status() : Status(ENOENT);
  target.name = place->name;
  target.parent_node = place->parent;
  target.parent = StoreSink::root_directory(place->parent);
  return {};
}

// Says where a source with this name goes; name is empty for one without.
Status place_root(const Target& target, const PlanOptions& options, bool directory, const std::string& name,
                  Root& root) {
  const bool into = target.directory != nullptr && !options.no_target_directory;
  if (into && !name.empty()) {
    root.to_parent = target.directory;
    root.to_name = name;
    return {};
  }
  if (directory && target.directory != nullptr) {
    root.to_directory = target.directory;
    return {};
  }
  if (target.parent == nullptr) return Status(EISDIR, "the target is a directory and has no name to replace");
  root.to_parent = target.parent;
  root.to_name = target.name;
  return {};
}

Status add_host(const Target& target, const PlanOptions& options, const Location& location, Group& group) {
  auto opened = HostSource::open_root(location.text);
  if (!opened.has_value()) return opened.error();
  Root root;
  const bool directory = opened->directory != nullptr;
  if (directory && !options.recursive) return Status(EISDIR, "is a directory: add -r to copy it");
  root.text = location.text;
  ROSS_STATUS(place_root(target, options, directory, opened->item.name, root));
  root.item = std::move(opened->item);
  root.from_parent = std::move(opened->parent);
  root.from_directory = std::move(opened->directory);
  if (directory) {
    auto again = HostSource::open_root(location.text);
    if (again.has_value()) group.scan_roots.push_back(std::move(again->directory));
  }
  group.roots.push_back(std::move(root));
  return {};
}

// Whether node is directory or lies below it.
Result<bool> is_within(Volume& volume, fs::NodeId node, fs::NodeId directory) {
  while (node != directory) {
    ROSS_TRY(const fs::NodeId up, volume.wait(volume.fs.parent(node)));
    if (up == node) return false;
    node = up;
  }
  return true;
}

Status check_same_container(const Target& target, Volume& volume, const fs::Attr& attr, const Root& root) {
  if (!target.volume.has_value() || &target.volume->fs != &volume.fs) return {};
  const bool into = root.to_directory != nullptr || root.to_parent == target.directory;
  const fs::NodeId holder = into ? target.directory_node : target.parent_node;
  if (S_ISDIR(attr.mode)) {
    const auto within = is_within(volume, holder, attr.node);
    if (!within.has_value()) return within.error();
    return *within ? Status(EINVAL, "cannot be copied into itself: choose a target outside of it") : Status();
  }
  const auto there = volume.wait(volume.fs.lookup(volume.cred, holder, root.to_name));
  if (there.has_value() && there->node == attr.node) return Status(EINVAL, "source and target are the same file");
  return {};
}

Status add_store(const Target& target, const PlanOptions& options, const Location& location, Volume& volume,
                 Group& group) {
  const auto attr = volume.resolve(location.path, fs::Follow::kNo);
  if (!attr.has_value()) return attr.error();
  Root root;
  const bool directory = S_ISDIR(attr->mode);
  if (directory && !options.recursive) return Status(EISDIR, "is a directory: add -r to copy it");
  root.text = location.text;
  root.item.name = base_name(location.path);
  root.item.attr = *attr;
  ROSS_STATUS(place_root(target, options, directory, root.item.name, root));
  ROSS_STATUS(check_same_container(target, volume, *attr, root));
  if (directory) {
    root.from_directory = StoreSource::root_directory(attr->node);
    group.scan_roots.push_back(StoreSource::root_directory(attr->node));
  } else {
    const auto place = volume.resolve_parent(location.path);
    if (!place.has_value()) return place.error();
    root.from_parent = StoreSource::root_directory(place->parent);
  }
  group.roots.push_back(std::move(root));
  return {};
}

}  // namespace

Result<Plan> make_plan(Session& session, const std::vector<std::string>& sources, const std::string& target_text,
                       const PlanOptions& options, const Report& report) {
  Target target;
  ROSS_TRY(target.location, parse_location(target_text, Plain::kHost));
  ROSS_OK(target.location.host ? open_host_target(target) : open_store_target(session, target));
  if (sources.size() > 1 && (target.directory == nullptr || options.no_target_directory)) {
    return fail(ENOTDIR, "is no directory: several things can only be copied into one");
  }
  std::map<fs::FileSystem*, Group> groups;  // null: the host
  for (const std::string& text : sources) {
    const auto source = parse_location(text, Plain::kHost);
    if (!source.has_value()) {
      report(text, source.error());
      continue;
    }
    if (source->host && target.location.host) {
      report(text, Status(EINVAL, "neither this nor the target is in a container: use the system's cp"));
      continue;
    }
    if (source->host) {
      Group& group = groups[nullptr];
      if (group.source == nullptr) group.source = std::make_unique<HostSource>();
      const Status added = add_host(target, options, *source, group);
      if (!added.ok()) report(text, added);
      // A pool inside the tree that goes into it would be copied into itself.
      struct stat pool {};
      if (::stat(target.location.pool.c_str(), &pool) == 0) group.skip.emplace_back(pool.st_dev, pool.st_ino);
      continue;
    }
    auto volume = session.volume(*source);
    Status added = volume.has_value() ? Status() : volume.error();
    if (added.ok()) {
      Group& group = groups[&volume->fs];
      if (group.source == nullptr) group.source = std::make_unique<StoreSource>(volume->fs, session.cred());
      added = add_store(target, options, *source, *volume, group);
    }
    if (!added.ok()) report(text, added);
  }
  Plan plan;
  plan.sink = std::move(target.sink);
  if (target.volume.has_value()) plan.target.emplace(*target.volume);
  for (auto& [fs, group] : groups) plan.groups.push_back(std::move(group));
  return plan;
}

}  // namespace ross::cli::copy
