#include "server/control/control_server.h"

#include <fmt/format.h>
#include <grpcpp/ext/health_check_service_server_builder_option.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include "base/read_file.h"
#include "client/grpc_log.h"
#include "server/control/loopback.h"
#include "server/control/metrics_service.h"
#include "server/control/namespace_service.h"
#include "server/control/pool_service.h"
#include "server/control/session_service.h"
#include "server/control/tenant_service.h"

namespace ross::server::control {
namespace {

Result<std::shared_ptr<grpc::ServerCredentials>> credentials(const ControlOptions& options) {
  if (!options.tls.on()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions ssl(options.tls.certificates_only
                                            ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                            : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  ROSS_TRY(std::string key, read_file(options.tls.key));
  ROSS_TRY(std::string certificate, read_file(options.tls.certificate));
  ROSS_TRY(ssl.pem_root_certs, read_file(options.tls.client_authority));
  ssl.pem_key_cert_pairs.push_back({std::move(key), std::move(certificate)});
  return grpc::SslServerCredentials(ssl);
}

}  // namespace

struct ControlServer::Parts {
  Parts(Exports& exports, const ControlOptions& options)
      : session(exports, options.server, options.missing),
        pool(exports),
        names(exports),
        tenants(exports),
        metrics(exports, options.server) {}
  SessionService session;
  PoolService pool;
  NamespaceService names;
  TenantService tenants;
  MetricsService metrics;
  std::unique_ptr<grpc::Server> server;  // destroyed first
};

Result<std::unique_ptr<ControlServer>> ControlServer::start(Exports& exports, const ControlOptions& options) {
  ROSS_TRY(const bool loopback, is_loopback(options.listen));
  if (!loopback && !options.tls.on()) {
    return fail(EINVAL,
                fmt::format("{} can be reached from other machines, which needs TLS: set tls.certificate, tls.key and "
                            "tls.client_authority, or listen on 127.0.0.1",
                            options.listen));
  }
  client::take_grpc_log();
  ROSS_TRY(const auto creds, credentials(options));
  auto parts = std::make_unique<Parts>(exports, options);
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options.listen, creds, &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  grpc::ResourceQuota quota("ross-control");
  quota.SetMaxThreads(kThreadsMax);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
  builder.RegisterService(&parts->session);
  builder.RegisterService(&parts->pool);
  builder.RegisterService(&parts->names);
  builder.RegisterService(&parts->tenants);
  builder.RegisterService(&parts->metrics);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || port == 0) {
    return fail(EADDRINUSE,
                fmt::format("cannot listen on {}: it is taken by another program, or not an address of this "
                            "machine",
                            options.listen));
  }
  if (auto* const health = parts->server->GetHealthCheckService()) health->SetServingStatus(true);
  std::string address = fmt::format("{}:{}", options.listen.substr(0, options.listen.rfind(':')), port);
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(parts), std::move(address)));
}

ControlServer::ControlServer(std::unique_ptr<Parts> parts, std::string address)
    : parts_(std::move(parts)), address_(std::move(address)) {}
ControlServer::~ControlServer() { stop(std::chrono::milliseconds(0)); }

void ControlServer::announce_end() {
  if (auto* const health = parts_->server->GetHealthCheckService()) health->SetServingStatus(false);
}

void ControlServer::stop(std::chrono::milliseconds patience) {
  parts_->server->Shutdown(std::chrono::system_clock::now() + patience);
}

}  // namespace ross::server::control
