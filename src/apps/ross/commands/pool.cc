// ross pool: makes, lists, shows and removes pools.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>

#include "apps/ross/command.h"
#include "apps/ross/confirm.h"
#include "apps/ross/device.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/size.h"
#include "apps/ross/present/table.h"

namespace ross::cli {
namespace {

// Where pools are looked for when nothing is named.
constexpr const char* kPlaces[] = {"/srv/ross", "/var/lib/ross"};
constexpr int kDepthMax = 2;  // directories below the one named

std::string_view kind_word(engine::DeviceKind kind) {
  switch (kind) {
    case engine::DeviceKind::kFile:
      return "file";
    case engine::DeviceKind::kBlock:
      return "block";
    case engine::DeviceKind::kRam:
      return "ram";
  }
  return "?";
}

Json info_json(const std::string& directory, const engine::PoolInfo& info) {
  Json json;
  put_name(json, "pool", directory);
  json["uuid"] = info.uuid;
  json["format"] = info.format_version;
  json["total"] = info.total_bytes;
  json["free"] = info.free_bytes;
  json["containers"] = info.containers;
  json["failed"] = info.failed;
  Json devices = Json::array();
  for (const engine::DeviceInfo& device : info.devices) {
    Json entry;
    entry["kind"] = kind_word(device.kind);
    put_name(entry, "path", device.path);
    entry["size"] = device.size_bytes;
    entry["free"] = device.free_bytes;
    devices.push_back(std::move(entry));
  }
  json["devices"] = std::move(devices);
  return json;
}

struct CreateOptions {
  std::string directory;
  std::uint64_t size_bytes = 0;
  std::vector<std::string> devices;
  bool prewrite = false;
};

Status create(Context& context, const CreateOptions& options) {
  const auto url = attach::parse_url(options.directory, false);
  if (!url.has_value()) return about(options.directory, url.error());
  engine::PoolSpec spec;
  spec.prewrite = options.prewrite;
  if (options.size_bytes > 0) spec.devices.push_back({.size_bytes = options.size_bytes});
  for (const std::string& text : options.devices) {
    auto device = parse_device(text);
    if (!device.has_value()) return about(text, device.error());
    spec.devices.push_back(*std::move(device));
  }
  if (spec.devices.empty()) {
    return Status(EINVAL, "say how large the pool is to be with --size 64G, or name its devices with --device");
  }
  if (url->scheme != "local")
    return Status(EINVAL, "a pool is made on the machine that has its devices: name a directory");
  Status status = engine::Pool::create(url->pool, spec);
  if (!status.ok()) return about(options.directory, status);
  // Opened once, so that what is printed is what is there.
  const auto pool = context.session.pool(url->pool);
  if (!pool.has_value()) return about(options.directory, pool.error());
  const engine::PoolInfo info = (*pool)->info();
  context.out.object(info_json(url->pool, info),
                     fmt::format("made pool {} of {}: now 'ross container create local:{}/NAME'\n", url->pool,
                                 format_size(info.total_bytes), url->pool));
  return {};
}

// The pools in a directory and those below it.
void collect(const std::filesystem::path& directory, int depth, std::set<std::string>& pools) {
  std::error_code error;
  if (std::filesystem::exists(directory / kPoolFile, error)) {
    pools.insert(directory.string());
    return;
  }
  if (depth == kDepthMax) return;
  for (std::filesystem::directory_iterator
           at(directory, std::filesystem::directory_options::skip_permission_denied, error),
       end;
       !error && at != end; at.increment(error)) {
    if (at->is_directory(error) && !at->is_symlink(error)) collect(at->path(), depth + 1, pools);
  }
}

Status list(Context& context, const std::vector<std::string>& directories) {
  std::set<std::string> pools;
  for (const std::string& directory : directories) {
    struct stat found {};
    if (::stat(directory.c_str(), &found) != 0) {
      context.report(directory, Status(errno));
    } else {
      collect(directory, 0, pools);
    }
  }
  if (directories.empty()) {
    for (const char* const place : kPlaces) collect(place, 0, pools);
    const auto here = std::getenv("ROSS_URL") != nullptr ? parse_location(":", Plain::kStore) : fail(ENOENT);
    if (here.has_value()) pools.insert(here->pool);
  }
  Table table({"POOL", ">SIZE", ">FREE", ">CONTAINERS", "STATE"});
  context.out.begin_list();
  for (const std::string& directory : pools) {
    const auto pool = context.session.pool(directory);
    if (!pool.has_value()) {
      const std::string state = pool.error().error() == EBUSY ? "in use" : pool.error().message();
      Json json;
      put_name(json, "pool", directory);
      json["state"] = state;
      context.out.item(json, "");
      table.row({context.out.name(directory), "-", "-", "-", state});
      continue;
    }
    const engine::PoolInfo info = (*pool)->info();
    Json json = info_json(directory, info);
    json["state"] = info.failed.empty() ? "good" : info.failed;
    context.out.item(json, "");
    table.row({context.out.name(directory), format_size(info.total_bytes), format_size(info.free_bytes),
               format_count(info.containers), info.failed.empty() ? "good" : info.failed});
  }
  context.out.end_list();
  context.out.text(table.text());
  return {};
}

Status show(Context& context, const std::string& directory) {
  const auto url = attach::parse_url(directory, false);
  if (!url.has_value()) return about(directory, url.error());
  const auto pool = context.session.pool(url->pool_place());
  if (!pool.has_value()) return about(directory, pool.error());
  const engine::PoolInfo info = (*pool)->info();
  std::string text = fmt::format(
      "      pool: {}\n      uuid: {}\n    format: {}\n      size: {}\n      free: {}\n"
      "containers: {}\n     state: {}\n",
      context.out.name(url->pool_place()), info.uuid, info.format_version, format_size(info.total_bytes),
      format_size(info.free_bytes), format_count(info.containers), info.failed.empty() ? "good" : info.failed);
  for (const engine::DeviceInfo& device : info.devices) {
    text += fmt::format("    device: {} {} {}, {} free\n", kind_word(device.kind), context.out.name(device.path),
                        format_size(device.size_bytes), format_size(device.free_bytes));
  }
  context.out.object(info_json(url->pool_place(), info), text);
  return {};
}

Status destroy(Context& context, const std::string& directory, bool yes) {
  const auto url = attach::parse_url(directory, false);
  if (!url.has_value()) return about(directory, url.error());
  if (!yes) {
    Status agreed = confirm(fmt::format("remove pool {} and everything in it", url->pool));
    if (!agreed.ok()) return about(directory, agreed);
  }
  Status status = engine::Pool::destroy(url->pool);
  if (!status.ok()) return about(directory, status);
  Json json;
  put_name(json, "destroyed", url->pool);
  context.out.object(json, "");
  return {};
}

}  // namespace

void add_pool(Commands& commands) {
  Command& group = commands.add("pool", "Make, list, show and remove pools");

  auto options = std::make_shared<CreateOptions>();  // these live as long as the commands that capture them
  Command& create_command = group.add("create", "Make a pool");
  create_command.option("DIRECTORY", options->directory, "Made if it is not there; must be empty").required();
  create_command.size("--size", options->size_bytes, "A device file of this size in DIRECTORY");
  create_command
      .option("--device", options->devices,
              "Keep the data here: an existing block device or file, ram:SIZE, or file:PATH:SIZE; "
              "may be given several times")
      .type("DEVICE")
      .one_each();
  create_command.flag("--prewrite", options->prewrite, "Write the devices once: slow now, even speed later");
  create_command.on_run([options](Context& context) { return create(context, *options); });

  auto directories = std::make_shared<std::vector<std::string>>();
  Command& list_command = group.add("list", "Find pools");
  list_command.option("DIRECTORY", *directories,
                      "Where to look, two levels deep (default: /srv/ross, /var/lib/ross and ROSS_URL's)");
  list_command.on_run([directories](Context& context) { return list(context, *directories); });

  auto directory = std::make_shared<std::string>();
  Command& info_command = group.add("info", "Show a pool");
  info_command.option("POOL", *directory, "The pool's directory").required();
  info_command.on_run([directory](Context& context) { return show(context, *directory); });

  auto yes = std::make_shared<bool>(false);
  Command& destroy_command = group.add("destroy", "Remove a pool and everything in it");
  destroy_command.option("POOL", *directory, "The pool's directory").required();
  destroy_command.flag("-y,--yes", *yes, "Do not ask");
  destroy_command.on_run([directory, yes](Context& context) { return destroy(context, *directory, *yes); });
}

}  // namespace ross::cli
