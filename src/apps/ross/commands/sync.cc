// ross sync: everything written so far survives power loss when it returns.
#include <memory>

#include "apps/ross/command.h"

namespace ross::cli {

void add_sync(Commands& commands) {
  auto paths = std::make_shared<std::vector<std::string>>(1, ":");  // lives as long as the command that captures it
  Command& command = commands.add("sync", "Make everything in a pool durable");
  command.option("PATH", *paths, "Pools, or anything in them (default: ROSS_URL)");
  command.on_run([paths](Context& context) {
    context.out.begin_list();
    Status status = for_each_path(context, *paths, [&](const std::string& path) {
      const auto location = parse_location(path, Plain::kStore);
      if (!location.has_value()) return location.error();
      const auto pool = context.session.pool(location->pool);
      if (!pool.has_value()) return pool.error();
      Status synced = (*pool)->sync();
      Json json;
      put_name(json, "pool", location->pool);
      json["synced"] = synced.ok();
      context.out.item(json, "");
      return synced;
    });
    context.out.end_list();
    return status;
  });
}

}  // namespace ross::cli
