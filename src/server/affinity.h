// Affinity: which of a pool's servers a client's session is at. A client that comes again comes to the same one.
//
//   Affinity affinity(4);
//   const auto binding = affinity.bind(client);     // from the first session to the end of the last
//   servers[binding->server]->begin_session(...)
//
// Who has no binding is bound to the server with the fewest. A binding lasts as long as somebody holds it: the session, whoever begins
// one, and after a restart the memory of who is awaited. So it needs no number that outlives the process, and servers may be more or
// fewer in the next life (decisions/0016).
//
// Ownership: outlives its bindings. Limits: as many bindings as sessions and clients that are awaited. Threading: any thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "wire/message.h"

namespace ross::server {

class Affinity {
 public:
  class Binding {
   public:
    Binding(Affinity& affinity, const wire::ClientId& client, std::size_t server)
        : server(server), affinity_(affinity), client_(client) {}
    ~Binding() { affinity_.release(*this); }
    Binding(const Binding&) = delete;
    Binding& operator=(const Binding&) = delete;
    const std::size_t server;

   private:
    friend class Affinity;
    Affinity& affinity_;
    const wire::ClientId client_;
  };

  explicit Affinity(std::size_t servers) : counts_(servers) {}
  // shared: by all who need the client to stay where it is. A client of zeros has no name and is bound anew each time.
  std::shared_ptr<const Binding> bind(const wire::ClientId& client);
  [[nodiscard]] std::size_t servers() const { return counts_.size(); }

 private:
  void release(const Binding& binding);

  std::mutex mutex_;
  std::vector<std::size_t> counts_;                               // of bindings, by server; guarded by mutex_
  std::map<wire::ClientId, std::weak_ptr<const Binding>> bound_;  // guarded by mutex_
};

}  // namespace ross::server
