#include "engine/kept/local_clients.h"

#include "engine/format/client_records.h"
#include "engine/recovery.h"

namespace ross::engine {

Status LocalClients::block_on(runtime::Task<Status> task) {
  auto loop = runtime::Loop::create({.clock = core_.options.clock});
  if (!loop) return std::move(loop).error();
  return (*loop)->block_on(std::move(task));
}

Status LocalClients::add(const ClientRecord& client) {
  if (client.id == ClientId{}) return Status(EINVAL, "a client's id is not all zeros");
  if (client.groups.size() > kClientGroupsMax) return Status(EINVAL, "a client is in at most 1024 groups");
  return block_on(add_and_keep(client));
}

runtime::Task<Status> LocalClients::add_and_keep(const ClientRecord& client) {
  {
    Lock lock(core_.mutex);
    if (!core_.admits()) {
      if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
    }
    if (core_.clients.size() >= kClientsMax && !core_.clients.contains(client.id)) {
      co_return Status(ENOSPC, "a pool knows at most 65536 clients");
    }
    core_.store->put(format::client_key(client.id), format::encode(client));
    core_.clients.insert(client.id);
  }
  co_return co_await core_.keep();
}

Status LocalClients::remove(const ClientId& id) { return block_on(remove_and_keep(id)); }

// In slices, so that no one waits long for the mutex. The client's own record goes last: a crash leaves no change without a client.
runtime::Task<Status> LocalClients::remove_and_keep(ClientId id) {
  constexpr std::size_t kKeysPerSlice = 512;
  const std::string prefix = format::remembered_prefix(id);
  std::string from;  // behind what is erased
  for (bool more = true; more;) {
    Lock lock(core_.mutex);
    core_.clients.erase(id);
    if (!core_.admits()) {
      if (Status status = co_await core_.admit(lock); !status.ok()) co_return status;
    }
    std::vector<std::string> keys;
    const Status scanned = core_.store->scan(prefix, from, [&keys](std::string_view key, std::string_view) {
      keys.emplace_back(key);
      return keys.size() < kKeysPerSlice;
    });
    if (!scanned.ok()) co_return scanned;
    more = keys.size() == kKeysPerSlice;
    if (more) from = keys.back() + '\0';
    for (std::string& key : keys) core_.store->erase(std::move(key));
    if (!more) core_.store->erase(format::client_key(id));
  }
  co_return co_await core_.keep();
}

Result<std::vector<ClientRecord>> LocalClients::list() {
  const Lock lock(core_.mutex);
  std::vector<ClientRecord> clients;
  Status bad;
  ROSS_OK(core_.store->scan(format::key_of(format::KeyKind::kClient), {},
                            [&](std::string_view key, std::string_view value) {
                              auto client = format::decode_client(key, value);
                              if (client) {
                                clients.push_back(*std::move(client));
                              } else {
                                bad = std::move(client).error();
                              }
                              return bad.ok();
                            }));
  if (!bad.ok()) return fail(std::move(bad));
  return clients;
}

Result<std::vector<RememberedChange>> LocalClients::remembered(const ClientId& id) {
  const Lock lock(core_.mutex);
  std::vector<RememberedChange> changes;
  Status bad;
  ROSS_OK(core_.store->scan(format::remembered_prefix(id), {}, [&](std::string_view key, std::string_view value) {
    auto of = format::decode_remembered(key, value);
    if (of) {
      changes.push_back(of->change);
    } else {
      bad = std::move(of).error();
    }
    return bad.ok();
  }));
  if (!bad.ok()) return fail(std::move(bad));
  return changes;
}

Status LocalClients::release_orphans() { return block_on(release_and_keep()); }

runtime::Task<Status> LocalClients::release_and_keep() {
  if (Status status = co_await Recovery::release_orphans(core_); !status.ok()) co_return status;
  co_return co_await core_.keep();
}

}  // namespace ross::engine
