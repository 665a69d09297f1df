// ross metrics: what a server does and has done, for Prometheus or as JSON.
#include "client/metrics.h"

#include <fmt/format.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/present/explain.h"
#include "attach/connect.h"
#include "base/clock.h"

namespace ross::cli {
namespace {

// Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats
class Exposition {
 public:
  void begin(std::string_view name, std::string_view kind, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, kind);
  }
  // labels: what stands between the braces; empty: none.
  template <class Number>
  void sample(std::string_view labels, Number value) {
    const std::string braced = labels.empty() ? std::string() : fmt::format("{{{}}}", labels);
    fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_, braced, value);
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string name_;
  std::string text_;
};

std::string label(std::string_view name, std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return fmt::format("{}=\"{}\"", name, escaped);
}

// What the usage of pools and that of tenants have in common.
template <class Holders, class Label>
void expose_usage(Exposition& out, std::string_view prefix, const Holders& holders, const Label& label_of) {
  const auto each = [&](std::string_view name, std::string_view help, auto number_of) {
    out.begin(fmt::format("{}_{}", prefix, name), "counter", help);
    for (const auto& holder : holders) out.sample(label_of(holder), number_of(holder.usage()));
  };
  each("operations_total", "Requests that were begun.", [](const v1::Usage& usage) { return usage.operations(); });
  each("read_bytes_total", "Bytes of files that were read.", [](const v1::Usage& usage) { return usage.bytes_read(); });
  each("written_bytes_total", "Bytes of files that were written.",
       [](const v1::Usage& usage) { return usage.bytes_written(); });
  each("limited_operations_total", "Requests that waited for their tenant's limit.",
       [](const v1::Usage& usage) { return usage.waited_for_limit(); });
  each("queued_operations_total", "Requests that waited for their turn among others.",
       [](const v1::Usage& usage) { return usage.waited_for_turn(); });
}

std::string exposition(const v1::GetMetricsReply& metrics) {
  Exposition out;
  out.begin("ross_server_info", "gauge", "The server's name and version.");
  out.sample(label("server", metrics.server()), 1);
  out.begin("process_start_time_seconds", "gauge", "When the server was started, since 1970.");
  out.sample("", metrics.process().started_s());
  out.begin("process_cpu_seconds_total", "counter", "Processor time of all its threads.");
  out.sample("", metrics.process().cpu_s());
  out.begin("process_resident_memory_bytes", "gauge", "Its memory.");
  out.sample("", metrics.process().resident_bytes());

  const auto of_pool = [](const v1::PoolMetrics& pool) { return label("pool", pool.pool()); };
  const auto each_pool = [&](std::string_view name, std::string_view kind, std::string_view help, auto number_of) {
    out.begin(name, kind, help);
    for (const v1::PoolMetrics& pool : metrics.pools()) out.sample(of_pool(pool), number_of(pool));
  };
  each_pool("ross_pool_servers", "gauge", "Threads that serve the pool.",
            [](const auto& pool) { return pool.servers(); });
  each_pool("ross_pool_sessions", "gauge", "Sessions there are.", [](const auto& pool) { return pool.sessions(); });
  each_pool("ross_pool_connections", "gauge", "Connections there are.",
            [](const auto& pool) { return pool.connections(); });
  each_pool("ross_pool_waiting_operations", "gauge", "Requests that wait for their turn.",
            [](const auto& pool) { return pool.waiting(); });
  each_pool("ross_pool_repeated_changes_total", "counter", "Changes that had been made when they were asked for again.",
            [](const auto& pool) { return pool.asked_again(); });
  expose_usage(out, "ross_pool", metrics.pools(), of_pool);
  out.begin("ross_pool_moved_bytes_total", "counter",
            "Bytes read and written, by their way: through this process, straight to a host past its agent, past this "
            "agent.");
  for (const v1::PoolMetrics& pool : metrics.pools()) {
    out.sample(of_pool(pool) + ",way=\"here\"", pool.bytes_here());
    out.sample(of_pool(pool) + ",way=\"direct\"", pool.bytes_direct());
    out.sample(of_pool(pool) + ",way=\"past\"", pool.bytes_past());
  }
  if (metrics.tenants().empty()) return out.text();
  const auto of_tenant = [](const v1::TenantMetrics& tenant) { return label("tenant", tenant.tenant()); };
  out.begin("ross_tenant_sessions", "gauge", "Sessions there are, on all pools.");
  for (const v1::TenantMetrics& tenant : metrics.tenants()) out.sample(of_tenant(tenant), tenant.sessions());
  expose_usage(out, "ross_tenant", metrics.tenants(), of_tenant);
  return out.text();
}

Json json_of(const v1::Usage& usage) {
  return Json::object({{"operations", usage.operations()},
                       {"bytes_read", usage.bytes_read()},
                       {"bytes_written", usage.bytes_written()},
                       {"waited_for_limit", usage.waited_for_limit()},
                       {"waited_for_turn", usage.waited_for_turn()}});
}

Json json_of(const v1::GetMetricsReply& metrics) {
  Json json;
  json["server"] = metrics.server();
  json["started_s"] = metrics.process().started_s();
  json["cpu_s"] = metrics.process().cpu_s();
  json["resident_bytes"] = metrics.process().resident_bytes();
  json["pools"] = Json::array();
  for (const v1::PoolMetrics& pool : metrics.pools()) {
    Json each;
    put_name(each, "pool", pool.pool());
    each["servers"] = pool.servers();
    each["sessions"] = pool.sessions();
    each["connections"] = pool.connections();
    each["waiting"] = pool.waiting();
    each["usage"] = json_of(pool.usage());
    each["bytes_here"] = pool.bytes_here();
    each["bytes_direct"] = pool.bytes_direct();
    each["bytes_past"] = pool.bytes_past();
    each["asked_again"] = pool.asked_again();
    json["pools"].push_back(std::move(each));
  }
  json["tenants"] = Json::array();
  for (const v1::TenantMetrics& tenant : metrics.tenants()) {
    json["tenants"].push_back(Json::object(
        {{"tenant", tenant.tenant()}, {"sessions", tenant.sessions()}, {"usage", json_of(tenant.usage())}}));
  }
  return json;
}

Status show_metrics(Context& context, const std::string& path) {
  const auto location = parse_location(path, Plain::kStore);
  if (!location.has_value()) return location.error();
  const auto url = attach::parse_url(pool_url(location->pool), false);
  if (!url.has_value()) return url.error();
  if (url->scheme != "ross") return Status(EINVAL, "only a server has metrics: name a pool of one, ross://HOST/POOL");
  constexpr std::int64_t kPatienceNs = 20'000'000'000;
  const auto metrics =
      client::get_metrics(url->server, client::tls_from_environment(), system_clock().monotonic_ns() + kPatienceNs);
  if (!metrics.has_value()) return metrics.error();
  context.out.object(json_of(*metrics), exposition(*metrics));
  return {};
}

}  // namespace

void add_metrics(Commands& commands) {
  auto path = std::make_shared<std::string>(":");  // lives as long as the command that captures it
  Command& command = commands.add("metrics", "Show what a server does and has done, in Prometheus' text format");
  command.option("PATH", *path, "A pool of the server, or anything in it (default: ROSS_URL)");
  command.on_run([path](Context& context) {
    const Status status = show_metrics(context, *path);
    return status.ok() ? status : about(*path, status);
  });
}

}  // namespace ross::cli
