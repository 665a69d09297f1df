// LocalClients: the clients of a pool that is open in this process. clients.h is the contract.
//
// Ownership: the pool's; borrows its core. Threading: any thread; all but keep() block.
#pragma once

#include "engine/clients.h"
#include "engine/core.h"

namespace ross::engine {

class LocalClients final : public Clients {
 public:
  explicit LocalClients(Core& core) : core_(core) {}
  Status add(const ClientRecord& client) override;
  Status remove(const ClientId& id) override;
  Result<std::vector<ClientRecord>> list() override;
  Result<std::vector<RememberedChange>> remembered(const ClientId& id) override;
  runtime::Task<Status> keep() override { return core_.keep(); }
  Status release_orphans() override;

 private:
  runtime::Task<Status> add_and_keep(const ClientRecord& client);
  runtime::Task<Status> remove_and_keep(ClientId id);
  runtime::Task<Status> release_and_keep();
  // Runs a task to its end on this thread.
  Status block_on(runtime::Task<Status> task);
  Core& core_;
};

}  // namespace ross::engine
