// Control: what a client asks of a server's control plane before it has the data plane.
//
//   ROSS_TRY(client::Grant grant, client::begin_session("127.0.0.1:7470", "pool0", {}, deadline_ns));
//   // grant.token joins a session at grant.fabrics[i].address
//
// Each call makes a gRPC channel and ends it: a process that forks later takes none along, and one that never leaves its
// machine never starts gRPC. Threading: any thread; blocks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "wire/message.h"

namespace ross::client {

// Paths of PEM files; empty: no TLS.
struct ClientTls {
  std::string authority;  // who signs the certificates of servers
  std::string certificate;
  std::string key;
  // A signed token that says which tenant asks: the file is read each time a session is asked for, so a new token can take the
  // place of an old one.
  std::string token;
  std::string token_file;
};
// ROSS_TLS_AUTHORITY, ROSS_TLS_CERTIFICATE and ROSS_TLS_KEY; ROSS_TOKEN and ROSS_TOKEN_FILE.
ClientTls tls_from_environment();

// A way to the data plane.
struct FabricAddress {
  std::string backend;
  std::string address;
  bool same_machine_only = false;
};

struct Grant {
  wire::Token token{};
  bool resumed = false;                // the session that this client had goes on, with all it held
  std::vector<FabricAddress> fabrics;  // as the server prefers them
  bool same_machine = false;
  std::string server;            // name and version
  std::uint32_t generation = 0;  // of the session's connections so far
};

// A session for this process's user on a pool. Errors: ECONNREFUSED when nobody serves there, ETIMEDOUT, EACCES and EPERM, ENOENT
// for a pool that is not served, EPROTO for another version; each with a sentence.
Result<Grant> begin_session(const std::string& address, std::string_view pool, const ClientTls& tls,
                            std::int64_t deadline_ns);
// The same for a client that names itself, by 16 random bytes that nobody else knows: its session outlives its connections.
// With `returning` it asks for the session that it has: ESTALE when the server has given it up.
struct Client {
  wire::ClientId id{};
  bool returning = false;
  // Of an agent: whose session it is. The server gives it to who may act for that user.
  struct User {
    pid_t pid = 0;  // for people to read
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
  };
  std::optional<User> relayed;
  // Of an agent: the tenant for which it speaks and the most that this one may; empty: itself.
  std::string on_behalf_of;
  std::string access;
};
Result<Grant> begin_session(const std::string& address, std::string_view pool, const ClientTls& tls,
                            const Client& client, std::int64_t deadline_ns);

// Has a server revoke a tenant: how many of its sessions were ended. Errors: those of begin_session; ENOENT, ENOTSUP for a server without
// tenants.
Result<std::uint64_t> revoke_tenant(const std::string& address, const ClientTls& tls, std::string_view tenant,
                                    std::int64_t deadline_ns);

}  // namespace ross::client
