#include "apps/daemon/exporter.h"

#include <fmt/format.h>

#include <chrono>

namespace ross::daemon {
namespace {

constexpr std::chrono::milliseconds kCallPatience{2'000};  // for calls of the control plane that are at work

}  // namespace

Result<std::unique_ptr<Exporter>> Exporter::create(const Config& config) {
  std::unique_ptr<Exporter> exporter(new Exporter(config));
  ROSS_TRY(exporter->fabrics_, Fabrics::choose(config));
  ROSS_TRY(exporter->tenants_, open_directory(config.identity));
  return exporter;
}

Exporter::~Exporter() { close(); }

Status Exporter::add(Export exported) {
  exported.options.pool_name = "pool " + exported.name;
  exported.options.tenants = tenants_;
  exported.options.export_name = exported.name;
  exported.options.session_lifetime = std::chrono::seconds(config_.identity.session_seconds);
  const std::size_t threads =
      exported.threads == 0 ? server::ServerGroup::servers_for_this_machine() : exported.threads;
  const auto listen = [this, &exported](std::size_t server) {
    return fabrics_.listeners(config_, exported.sockets, server);
  };
  auto servers = server::ServerGroup::start(*exported.pool, threads, listen, exported.options, exported.pin);
  if (!servers.has_value()) return servers.error().with_context(fmt::format("serving pool {}", exported.name));
  for (std::size_t i = 0; i < threads; ++i) fabrics_.tell((*servers)->at(i), exported.name);
  served_.push_back(
      {.name = std::move(exported.name), .pool = std::move(exported.pool), .servers = *std::move(servers)});
  return {};
}

Status Exporter::open(const std::string& program) {
  std::vector<server::control::Export> exported;
  for (const Served& served : served_) {
    exported.push_back({.name = served.name, .pool = served.pool.get(), .servers = served.servers.get()});
  }
  exports_ = std::make_unique<server::control::Exports>(std::move(exported), fabrics_.offered, tenants_);
  server::control::ControlOptions options{
      .listen = config_.control_listen, .tls = config_.tls, .server = program, .missing = fabrics_.missing};
  options.tls.certificates_only = config_.identity.clients == "certificate";
  auto control = server::control::ControlServer::start(*exports_, options);
  if (!control.has_value()) return std::move(control).error();
  control_ = *std::move(control);
  return {};
}

std::string Exporter::urls() const {
  std::string urls;
  for (const Served& served : served_) urls += " ross://" + address() + "/" + served.name;
  return urls;
}

void Exporter::close() {
  if (control_ != nullptr) {
    control_->announce_end();
    control_->stop(kCallPatience);
    control_.reset();
  }
  exports_.reset();  // it may be ending sessions of who is revoked
  for (Served& served : served_) served.servers.reset();
}

Status Exporter::sync_and_close() {
  close();
  Status first;
  for (const Served& served : served_) {
    Status status = served.pool->sync();
    if (first.ok() && !status.ok()) first = status.with_context("pool " + served.name);
  }
  served_.clear();
  return first;
}

}  // namespace ross::daemon
