// Returning: the clients of an earlier life that are awaited at this server, until they are back or given up.
//
// While some are awaited, at whichever server of the pool (pool_wide.h), nobody else takes locks: they may be those that a client who
// comes back had. Who has a session again by the end of the lease, and is still asking for what it had, is awaited for one lease
// more. Files without a name stay for a lease longer, because such a client may have them open, or have made one and not been told: it
// asks again when it is back, and that takes its time if it loses its connection once more.
//
// Ownership: the server's. Threading: owner thread (the server's); load() before it runs.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "engine/clients.h"
#include "runtime/task.h"
#include "server/pool_wide.h"
#include "server/worker.h"
#include "wire/message.h"

namespace ross::server {

class Returning {
 public:
  // clients: the store's memory of them; null: it has none, and nobody is awaited.
  Returning(engine::Clients* clients, Worker& worker) : clients_(clients), worker_(worker) {}

  // Who is awaited.
  void load(std::vector<AwaitedClient> awaited);
  // The lease is over: who has not come by now does not come any more.
  void end();
  // Another one is over: nobody is waited for any more. Whose session is not what it was by now has none (the server ends it).
  void end_for_all();
  // Called once, when nobody is awaited any more; not when the server stops before.
  void when_over(std::function<void()> call) { when_over_ = std::move(call); }
  // Its own work on the store is under way: the server's loop goes on until when_idle() has been called.
  [[nodiscard]] bool busy() const { return giving_up_; }
  void when_idle(std::function<void()> call) { when_idle_ = std::move(call); }
  [[nodiscard]] bool awaits(const wire::ClientId& client) const { return awaited_.contains(client); }
  [[nodiscard]] const engine::ClientRecord* record(const wire::ClientId& client) const;
  // It has a session again, and not yet all it had.
  void came(const wire::ClientId& client);
  // It is here again with all it had, or has gone for good.
  void done(const wire::ClientId& client);

  // Whether somebody is awaited.
  [[nodiscard]] bool grace() const { return !over_; }
  // The server stops: nobody is waited for any more.
  void stop() { over_ = true; }

 private:
  runtime::Task<Status> give_up(std::vector<wire::ClientId> missing);
  void look_whether_over();

  engine::Clients* const clients_;
  Worker& worker_;
  struct Awaited {
    AwaitedClient client;
    bool came = false;
  };
  std::map<wire::ClientId, Awaited> awaited_;
  bool over_ = true;
  bool giving_up_ = false;
  std::function<void()> when_over_;
  std::function<void()> when_idle_;
};

}  // namespace ross::server
