// ross session: what a session with a server would be.
#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/present/table.h"
#include "attach/connect.h"

namespace ross::cli {
namespace {

std::string_view word(client::Placed::Where where) {
  switch (where) {
    case client::Placed::Where::kServer:
      return "remote";
    case client::Placed::Where::kStaged:
      return "staged";
    case client::Placed::Where::kDirect:
      return "direct";
  }
  return "?";
}

std::string sentence(const client::Placed& placed) {
  switch (placed.where) {
    case client::Placed::Where::kServer:
      return "remote: to the server and back" + (placed.how.empty() ? "" : " (" + placed.how + ")");
    case client::Placed::Where::kStaged:
      return "staged: by the agent's memory, because " + placed.how;
    case client::Placed::Where::kDirect:
      return "direct: past the agent, to the engine by " + placed.how;
  }
  return {};
}

Status info(Context& context, const std::string& path) {
  const auto location = parse_location(path, Plain::kStore);
  if (!location.has_value()) return location.error();
  const auto url = attach::parse_url(pool_url(location->pool), false);
  if (!url.has_value()) return url.error();
  if (url->scheme != "ross")
    return Status(EINVAL, "a pool that is local has no session: name a server's, ross://HOST/POOL");
  auto connected = attach::connect_session(*url, {.outlives = false});
  if (!connected.has_value()) return std::move(connected).error();
  const client::Placed placed = connected->session->place_data_and_wait();
  Json json;
  put_name(json, "pool", location->pool);
  json["server"] = connected->server;
  json["fabric"] = connected->way.fabric;
  json["address"] = connected->way.address;
  json["placement"] = word(placed.where);
  json["how"] = placed.how;
  context.out.item(json, "");
  Table table({"", ""});
  table.row({"pool", context.out.name(location->pool)});
  table.row({"server", connected->server});
  table.row({"fabric", connected->way.fabric + " at " + connected->way.address});
  table.row({"large data", sentence(placed)});
  context.out.text(table.text());
  return {};
}

}  // namespace

void add_session(Commands& commands) {
  auto paths = std::make_shared<std::vector<std::string>>(1, ":");  // lives as long as the command that captures it
  Command& session = commands.add("session", "Show what a session with a server is like");
  Command& command = session.add("info", "Show how a pool is reached and which way its data goes");
  command.option("PATH", *paths, "Pools of servers, or anything in them (default: ROSS_URL)");
  command.on_run([paths](Context& context) {
    context.out.begin_list();
    Status status = for_each_path(context, *paths, [&](const std::string& path) { return info(context, path); });
    context.out.end_list();
    return status;
  });
}

}  // namespace ross::cli
