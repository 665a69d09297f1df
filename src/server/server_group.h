// ServerGroup: the servers of one pool, each with a thread and a loop of its own, so that a pool is served by as many cores as it has
// servers. To those who ask for sessions they are one.
//
//   const auto listen = [&](std::size_t server) { return fabrics.listeners(config, sockets, server); };
//   ROSS_TRY(auto group, server::ServerGroup::start(*pool, 4, listen, options));
//   ROSS_TRY(const Begun begun, group->begin_session(applicant));     // begun.addresses: of the server that has it
//   ...
//   group.reset();                // cuts the peers off, on all servers at once; then the pool can be closed
//
// A session is one server's, and so are its connections, from its begin to its end; a new one goes to the server that has the fewest
// (affinity.h). What holds for the pool as a whole is in pool_wide.h. decisions/0016 says why it is so.
//
// Ownership: borrows the pool, which outlives it. Limits: kServersMax; the others as server.h says, of all servers together where they
// count sessions. Threading: any thread. Calls block.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "server/server.h"

namespace ross::server {

class ServerGroup {
 public:
  static constexpr std::size_t kServersMax = 16;  // of a pool, whose threads share one lock (decisions/0001)

  // Where a server, by its place in the group, is reached: the same domains for each, in the same order.
  using Listen = std::function<Result<std::vector<Listener>>(std::size_t server)>;
  // One for each core that the process may use, at most kServersMax.
  static std::size_t servers_for_this_machine();
  // options: of each; their patience is not used: a group cuts off at once. pin: each runs on a processor of its own, where the process may use
  // as many. Errors: those of listen and of Server::start.
  static Result<std::unique_ptr<ServerGroup>> start(engine::Pool& pool, std::size_t servers, const Listen& listen,
                                                    const ServerOptions& options, bool pin = false);
  ~ServerGroup();
  ServerGroup(const ServerGroup&) = delete;
  ServerGroup& operator=(const ServerGroup&) = delete;

  // The calls of server.h, for whichever server it concerns, or for all.
  Result<Begun> begin_session(Applicant applicant);
  std::size_t end_sessions(const std::function<bool(const identity::Principal& who)>& of);
  std::size_t sessions_of(std::string_view tenant);
  Usage usage_of(std::string_view tenant);
  Activity activity();
  Status renew_session(const wire::Token& token, const Applicant& applicant);
  Status close_session(const wire::Token& token, const Applicant& applicant);
  [[nodiscard]] std::int64_t lease_ns() const { return servers_.front()->lease_ns(); }
  [[nodiscard]] std::int64_t session_lifetime_ns() const { return servers_.front()->session_lifetime_ns(); }

  [[nodiscard]] std::size_t size() const { return servers_.size(); }
  [[nodiscard]] Server& at(std::size_t server) { return *servers_[server]; }

 private:
  explicit ServerGroup(std::size_t servers) : wide_(std::make_shared<PoolWide>(servers)) {}
  Server& that_has(const wire::Token& token);

  const std::shared_ptr<PoolWide> wide_;          // shared by the servers
  std::vector<std::unique_ptr<Server>> servers_;  // constant after start()
};

}  // namespace ross::server
