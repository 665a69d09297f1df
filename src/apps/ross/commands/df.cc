// ross df: how full containers are and, for a pool, how full its devices are.
#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/present/size.h"
#include "apps/ross/present/table.h"

namespace ross::cli {
namespace {

struct Row {
  std::string name;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t nodes_total = 0;
  std::uint64_t nodes_used = 0;
};

std::string percent(const Row& row) {
  if (row.total_bytes == 0) return "-";
  const std::uint64_t used = row.total_bytes - std::min(row.free_bytes, row.total_bytes);
  // Rounded up: a pool is at 100 % only when nothing is left, and at 0 % only when nothing is used.
  return fmt::format("{} %", static_cast<unsigned>(
                                 (static_cast<double>(used) * 100.0) / static_cast<double>(row.total_bytes) + 0.999));
}

Result<Row> row_of(Context& context, const std::string& path) {
  ROSS_TRY(const Location location, parse_location(path, Plain::kStore));
  Row row;
  row.name = location.text;
  if (location.container.empty()) {
    ROSS_TRY(engine::Pool * pool, context.session.pool(location.pool));
    const engine::PoolInfo info = pool->info();
    row.total_bytes = info.total_bytes;
    row.free_bytes = info.free_bytes;
    return row;
  }
  ROSS_TRY(Volume volume, context.session.volume(location));
  ROSS_TRY(const fs::StatFs stat, volume.wait(volume.fs.statfs()));
  row.total_bytes = stat.total_bytes;
  row.free_bytes = stat.free_bytes;
  row.nodes_total = stat.nodes_total;
  row.nodes_used = stat.nodes_used;
  return row;
}

}  // namespace

void add_df(Commands& commands) {
  auto paths = std::make_shared<std::vector<std::string>>(1, ":");  // lives as long as the command that captures it
  Command& command = commands.add("df", "Show how full pools and containers are");
  command.option("PATH", *paths, "Pools or containers (default: ROSS_URL)");
  command.on_run([paths](Context& context) {
    Table table({"PATH", ">SIZE", ">USED", ">FREE", ">USED", ">FILES"});
    context.out.begin_list();
    Status status = for_each_path(context, *paths, [&](const std::string& path) {
      const auto row = row_of(context, path);
      if (!row.has_value()) return row.error();
      const std::uint64_t used = row->total_bytes - std::min(row->free_bytes, row->total_bytes);
      Json json;
      put_name(json, "path", row->name);
      json["total"] = row->total_bytes;
      json["used"] = used;
      json["free"] = row->free_bytes;
      json["nodes_total"] = row->nodes_total;
      json["nodes_used"] = row->nodes_used;
      context.out.item(json, "");
      table.row({context.out.name(row->name), format_size(row->total_bytes), format_size(used),
                 format_size(row->free_bytes), percent(*row), format_count(row->nodes_used)});
      return Status();
    });
    context.out.end_list();
    context.out.text(table.text());
    return status;
  });
}

}  // namespace ross::cli
