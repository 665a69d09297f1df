// Clients: what a server asks of a pool so that its clients survive the end of its process: who they are, which of their
// changes were made, and that what was answered is kept.
//
//   PoolOptions options{.serves_clients = true};
//   ROSS_TRY(auto pool, Pool::open(directory, options));
//   Clients& clients = *pool->clients();
//   ROSS_STATUS(clients.add({.id = id, .uid = 1000, .gid = 1000}));
//   fs::name_next_change({.client = id, .slot = 3, .sequence = 17});    // fs/change_id.h
//   auto made = co_await fs->mkdir(cred, parent, "train", 0755);
//   ROSS_CO_OK(co_await clients.keep());                                // now the client may be told
//   ... kill -9, Pool::open ...
//   clients.remembered(id);    // slot 3: sequence 17 was made, and answered the node's number and attributes
//
// A change is remembered with the change itself, so after a crash both are there or neither: a client that resends what is not
// remembered makes every change once. Of each slot the last one is remembered. Only calls that succeeded are, and only
// for clients that were added. decisions/0008 says how, and what it costs.
//
// Remembered are mkdir, mknod, symlink, link, unlink, rmdir, rename, setattr, setxattr, removexattr, create, create_unnamed,
// publish, fallocate, write of at least a byte, and open where it truncates. A call longer than one change of the metadata (a write
// past fs::kAtomicWriteBytes, a truncate or punch of very much) is remembered with its last part: after a crash before that,
// the first parts may be there. Doing all of it again gives the same, save for appends that long.
//
// Ownership: the pool's. Threading: any thread. All but keep() may block and belong on a worker thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/status.h"
#include "fs/types.h"
#include "runtime/task.h"

namespace ross::engine {

using ClientId = std::array<std::uint8_t, 16>;

inline constexpr std::size_t kClientGroupsMax = 1024;
inline constexpr std::size_t kClientsMax = 65536;  // their ids are in memory

struct ClientRecord {
  ClientId id{};
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;
};

struct RememberedChange {
  std::uint16_t slot = 0;
  std::uint64_t sequence = 0;
  // What the call answered: bytes written for write, a node's number for calls that answer a node, else 0.
  std::uint64_t value = 0;
  std::optional<fs::Attr> attr;  // as it was then
  bool created = false;          // create(): it made the file
};

class Clients {
 public:
  virtual ~Clients() = default;
  // Kept when it returns. Replaces what was known of the same id, not what is remembered for it. EINVAL for an id of zeros or
  // too many groups, ENOSPC past kClientsMax.
  virtual Status add(const ClientRecord& client) = 0;
  // With all that is remembered for it; kept when it returns. What it still has under way is not remembered any more. No error
  // when there is none.
  virtual Status remove(const ClientId& id) = 0;
  virtual Result<std::vector<ClientRecord>> list() = 0;
  // In the order of slots. Empty for a client that is not known.
  virtual Result<std::vector<RememberedChange>> remembered(const ClientId& id) = 0;
  // Everything changed so far survives the end of this process, but not that of the machine: that is sync()'s. Usually done
  // before it returns; never waits for a device, unless the kept log cannot be written: then it is a sync.
  virtual runtime::Task<Status> keep() = 0;
  // While clients were known when the pool was opened, files without a name stay until this is called, so that whoever had them open
  // can open them again by number. Then those go that nobody has open.
  virtual Status release_orphans() = 0;
};

}  // namespace ross::engine
