// ControlServer: the gRPC server of a process that serves pools.
//
//   control::Exports exports({{.name = "pool0", .pool = &pool, .servers = &group}}, fabrics);
//   ROSS_TRY(auto control, control::ControlServer::start(exports, {.listen = "127.0.0.1:7470"}));
//   ...
//   control->stop();
//
// Services: session, pool, namespace and tenant (proto/ross/v1), and gRPC's own health and reflection services. Without TLS it listens
// on loopback addresses only; with TLS every client shows a certificate of the authority, unless tokens are enough.
// Ownership: borrows exports. Limits: kThreadsMax threads of gRPC's; what comes beyond waits. Threading: any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace ross::server::control {

class Exports;

struct Tls {
  // Paths of PEM files.
  std::string certificate;
  std::string key;
  std::string client_authority;   // who signs the certificates of clients
  bool certificates_only = true;  // no client without one; otherwise its signed token may stand for it
  [[nodiscard]] bool on() const { return !certificate.empty(); }
};

struct ControlOptions {
  std::string listen = "127.0.0.1:7470";  // numeric address and port; port 0: any
  Tls tls{};
  std::string server;                                        // name and version, for clients to read
  std::vector<std::pair<std::string, std::string>> missing;  // backends not offered, and why
};

class ControlServer {
 public:
  static constexpr int kThreadsMax = 16;

  // Errors: EINVAL (address, a network address without TLS), EADDRINUSE, those of reading the files of TLS.
  static Result<std::unique_ptr<ControlServer>> start(Exports& exports, const ControlOptions& options);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // With the port that was taken.
  [[nodiscard]] const std::string& address() const { return address_; }
  // Says "not serving" to health checks; calls go on.
  void announce_end();
  // No more calls; those at work are waited for until then.
  void stop(std::chrono::milliseconds patience);

 private:
  struct Parts;
  explicit ControlServer(std::unique_ptr<Parts> parts, std::string address);
  const std::unique_ptr<Parts> parts_;
  const std::string address_;
};

}  // namespace ross::server::control
