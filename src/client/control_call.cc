#include "client/control_call.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

#include "base/clock.h"
#include "base/read_file.h"
#include "client/grpc_log.h"

namespace ross::client::internal {
namespace {

Result<std::string> read_if_named(const std::string& path) {
  if (path.empty()) return std::string();
  return read_file(path);
}

Result<std::shared_ptr<grpc::ChannelCredentials>> credentials(const ClientTls& tls) {
  if (tls.authority.empty() && tls.certificate.empty()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  ROSS_TRY(options.pem_root_certs, read_if_named(tls.authority));
  ROSS_TRY(options.pem_cert_chain, read_if_named(tls.certificate));
  ROSS_TRY(options.pem_private_key, read_if_named(tls.key));
  return grpc::SslCredentials(options);
}

// The signed token to show; empty: none. Without TLS it leaves the machine for no one.
Result<std::string> token_for(const std::string& address, const ClientTls& tls) {
  std::string token = tls.token;
  if (!tls.token_file.empty()) {
    ROSS_TRY(token, read_file(tls.token_file));
  }
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.pop_back();
  if (token.empty()) return token;
  for (const char c : token) {
    if (c <= ' ' || c > '~') return fail(EINVAL, "ROSS_TOKEN, or the file of ROSS_TOKEN_FILE, holds no token");
  }
  const bool here = address.starts_with("127.") || address.starts_with("[::1]:") || address.starts_with("localhost:");
  if (here || !tls.authority.empty() || !tls.certificate.empty()) return token;
  return fail(EINVAL, fmt::format("a token is not sent to {} without TLS: set ROSS_TLS_AUTHORITY", address));
}

}  // namespace

// The errno that our servers send along, or what gRPC's own code comes to.
Status from_grpc(const std::string& address, const grpc::Status& status, const grpc::ClientContext& context) {
  const auto& trailing = context.GetServerTrailingMetadata();
  if (const auto found = trailing.find("ross-errno"); found != trailing.end()) {
    int error = 0;
    const std::string_view digits(found->second.data(), found->second.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), error);
    return Status(error > 0 ? error : EIO, status.error_message());
  }
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Status(ECONNREFUSED,
                    fmt::format("no ross-engine answers at {}: is it running, and reachable from here? ({})", address,
                                status.error_message()));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return Status(ETIMEDOUT, fmt::format("{} does not answer", address));
    case grpc::StatusCode::UNIMPLEMENTED:
      return Status(EPROTO, fmt::format("what answers at {} is no ROSS server", address));
    default:
      return Status(EPROTO, fmt::format("{} answers with an error: {}", address, status.error_message()));
  }
}

Result<std::shared_ptr<grpc::Channel>> channel_to(const std::string& address, const ClientTls& tls) {
  take_grpc_log();
  ROSS_TRY(const auto creds, credentials(tls));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // nothing stays behind this call
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, creds, arguments);
}

Status prepare(grpc::ClientContext& context, const std::string& address, const ClientTls& tls,
               std::int64_t deadline_ns) {
  const Result<std::string> token = token_for(address, tls);
  if (!token.has_value()) return token.error();
  if (!token->empty()) context.AddMetadata("authorization", "Bearer " + *token);
  const std::int64_t left_ns = deadline_ns - system_clock().monotonic_ns();
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::nanoseconds(left_ns));
  return {};
}

}  // namespace ross::client::internal
