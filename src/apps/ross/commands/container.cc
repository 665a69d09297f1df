// ross container: makes, lists, shows, changes and removes containers.
#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/confirm.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/size.h"
#include "apps/ross/present/table.h"
#include "apps/ross/present/text.h"

namespace ross::cli {
namespace {

struct ContainerOptions {
  std::string container = ":";
  std::optional<std::uint64_t> quota_bytes;
  std::optional<std::uint64_t> quota_nodes;
  bool yes = false;
};

// The pool and the container's name of what the user wrote; ":" is ROSS_URL's, ":NAME" none.
struct Target {
  engine::Pool* pool;
  std::string directory;
  std::string name;
};

Result<Target> open_target(Context& context, const std::string& text) {
  const char* const url_text = text == ":" ? std::getenv("ROSS_URL") : text.c_str();
  if (url_text == nullptr)
    return fail(EINVAL, "name a container, as in local:/srv/ross/pool0/datasets, or set ROSS_URL");
  ROSS_TRY(attach::Url url, attach::parse_url(url_text, true));
  ROSS_TRY(engine::Pool * pool, context.session.pool(url.pool));
  return Target{pool, url.pool, url.container};
}

Json info_json(const Target& target, const engine::ContainerInfo& info) {
  Json json;
  put_name(json, "name", info.name);
  put_name(json, "url", join("local:" + target.directory, info.name));
  json["used_bytes"] = info.used_bytes;
  json["used_nodes"] = info.used_nodes;
  json["quota_bytes"] = info.options.quota_bytes;
  json["quota_nodes"] = info.options.quota_nodes;
  json["created_ns"] = info.created_ns;
  return json;
}

std::string quota_text(std::uint64_t quota, bool bytes) {
  if (quota == 0) return "none";
  return bytes ? format_size(quota) : format_count(quota);
}

Status show(Context& context, const Target& target) {
  const auto info = target.pool->container(target.name);
  if (!info.has_value()) return info.error();
  context.out.object(
      info_json(target, *info),
      fmt::format("container: {}\n     used: {} in {} files and directories\n    quota: {}, files: {}\n  created: {}\n",
                  context.out.name(join("local:" + target.directory, info->name)), format_size(info->used_bytes),
                  format_count(info->used_nodes), quota_text(info->options.quota_bytes, true),
                  quota_text(info->options.quota_nodes, false), format_time_full(info->created_ns)));
  return {};
}

Status create(Context& context, const ContainerOptions& options, const Target& target) {
  engine::ContainerOptions wanted;
  wanted.quota_bytes = options.quota_bytes.value_or(0);
  wanted.quota_nodes = options.quota_nodes.value_or(0);
  ROSS_STATUS(target.pool->create_container(target.name, wanted));
  return context.out.json() ? show(context, target) : Status();
}

Status change(Context& context, const ContainerOptions& options, const Target& target) {
  const auto info = target.pool->container(target.name);
  if (!info.has_value()) return info.error();
  engine::ContainerOptions wanted = info->options;
  wanted.quota_bytes = options.quota_bytes.value_or(wanted.quota_bytes);
  wanted.quota_nodes = options.quota_nodes.value_or(wanted.quota_nodes);
  ROSS_STATUS(target.pool->set_container(target.name, wanted));
  return context.out.json() ? show(context, target) : Status();
}

Status destroy(Context& context, const ContainerOptions& options, const Target& target) {
  const auto info = target.pool->container(target.name);
  if (!info.has_value()) return info.error();
  if (!options.yes) {
    ROSS_STATUS(confirm(fmt::format("remove container {} and its {} files and directories", target.name,
                                    format_count(info->used_nodes))));
  }
  ROSS_STATUS(target.pool->destroy_container(target.name));
  Json json;
  put_name(json, "destroyed", target.name);
  context.out.object(json, "");
  return {};
}

Status list(Context& context, const std::string& text) {
  const char* const url_text = text == ":" ? std::getenv("ROSS_URL") : text.c_str();
  if (url_text == nullptr) return Status(EINVAL, "name a pool, or set ROSS_URL");
  const auto location = parse_location(text, Plain::kStore);
  if (!location.has_value()) return location.error();
  const auto pool = context.session.pool(location->pool);
  if (!pool.has_value()) return pool.error();
  Table table({"NAME", ">USED", ">FILES", ">QUOTA", "CREATED"});
  context.out.begin_list();
  for (const engine::ContainerInfo& info : (*pool)->containers()) {
    context.out.item(info_json({*pool, location->pool, info.name}, info), "");
    table.row({context.out.name(info.name), format_size(info.used_bytes), format_count(info.used_nodes),
               quota_text(info.options.quota_bytes, true), format_time(info.created_ns)});
  }
  context.out.end_list();
  context.out.text(table.text());
  return {};
}

}  // namespace

void add_container(Commands& commands) {
  Command& group = commands.add("container", "Make, list, show, change and remove containers");
  auto options = std::make_shared<ContainerOptions>();  // lives as long as the commands that capture it
  using Action = Status (*)(Context&, const ContainerOptions&, const Target&);
  const auto on_target = [&](Command& command, Action action) {
    command.on_run([options, action](Context& context) {
      const auto target = open_target(context, options->container);
      if (!target.has_value()) return about(options->container, target.error());
      return about(options->container, action(context, *options, *target));
    });
  };
  const std::string form = "The container, as in local:/srv/ross/pool0/datasets";

  Command& create_command = group.add("create", "Make a container");
  create_command.option("CONTAINER", options->container, form).required();
  create_command.size("--quota", options->quota_bytes, "Bytes it may hold; 0 is no limit");
  create_command.size("--quota-files", options->quota_nodes, "Files and directories it may hold; 0 is no limit");
  on_target(create_command, create);

  Command& list_command = group.add("list", "List the containers of a pool");
  list_command.option("POOL", options->container, "The pool's directory (default: ROSS_URL's)");
  list_command.on_run(
      [options](Context& context) { return about(options->container, list(context, options->container)); });

  Command& info_command = group.add("info", "Show a container");
  info_command.option("CONTAINER", options->container, form + " (default: ROSS_URL)");
  on_target(info_command,
            [](Context& context, const ContainerOptions&, const Target& target) { return show(context, target); });

  Command& set_command = group.add("set", "Change a container's quotas");
  set_command.option("CONTAINER", options->container, form).required();
  set_command.size("--quota", options->quota_bytes, "Bytes it may hold; 0 is no limit");
  set_command.size("--quota-files", options->quota_nodes, "Files and directories it may hold; 0 is no limit");
  on_target(set_command, change);

  Command& destroy_command = group.add("destroy", "Remove a container and everything in it");
  destroy_command.option("CONTAINER", options->container, form).required();
  destroy_command.flag("-y,--yes", options->yes, "Do not ask");
  on_target(destroy_command, destroy);
}

}  // namespace ross::cli
