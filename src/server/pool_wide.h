// PoolWide: what holds for a pool as a whole, however many servers it has: bounds on sessions, who is at which server, the grace for
// locks, and that all servers stop together.
//
// Grace: while a client of an earlier life is awaited at one server, none grants a lock that may be that client's. Stopping: a server's
// sessions give their locks back when nobody can be told any more that it has got one; otherwise a client of a server that stops later
// would be granted what one of a server that stopped earlier reclaims in the next life.
//
// Ownership: shared by the pool's servers and their group. Threading: any thread; load() before there are servers.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/status.h"
#include "engine/clients.h"
#include "runtime/sync.h"
#include "runtime/task.h"
#include "server/affinity.h"

namespace ross::server {

// A client that had a session in an earlier life.
struct AwaitedClient {
  engine::ClientRecord record;
  std::shared_ptr<const Affinity::Binding> binding;  // shared with the session that it has again
};

class PoolWide {
 public:
  explicit PoolWide(std::size_t servers) : affinity(servers), awaited_(servers) {}

  Affinity affinity;

  // ---- grace ----
  // Reads who is awaited, and spreads them over the servers. clients: null: nobody. Blocks.
  Status load(engine::Clients* clients);
  // Those of a server, once.
  std::vector<AwaitedClient> take_awaited(std::size_t server);
  // Of a server that had some nobody is awaited any more. True for the last one.
  bool is_over();
  [[nodiscard]] bool grace() const { return grace_.load(std::memory_order_acquire); }
  // Until the grace is over: OK; or the caller's server stops, which it has told by wake(): EINTR. stopping: that server's word, which
  // outlives the call.
  runtime::Task<Status> grace_ends(const bool& stopping);
  void wake();

  // ---- sessions ----
  // Counts one of a user; EUSERS when there are too many. bounded: the user may not have all there are.
  Status admit(uid_t uid, bool bounded);
  void has_left(uid_t uid);

  // ---- stopping ----
  // A server serves, and stops.
  void begins() { ++serving_; }
  void stops() { --serving_; }
  // Whether none of them tells its clients anything any more.
  [[nodiscard]] bool all_stop() const { return serving_ == 0; }

 private:
  std::atomic<bool> grace_ = false;
  std::atomic<int> serving_ = 0;

  std::mutex mutex_;
  // guarded by mutex_
  std::vector<std::vector<AwaitedClient>> awaited_;  // by server
  std::size_t awaiting_ = 0;                         // servers
  runtime::WaitQueue grace_over_;
  std::size_t sessions_ = 0;
  std::map<uid_t, std::size_t> sessions_of_;
};

}  // namespace ross::server
