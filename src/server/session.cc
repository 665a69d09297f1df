#include "server/session.h"

#include "server/connection.h"
#include "server/server.h"

namespace ross::server {

Session::~Session() {
  ROSS_CHECK(jobs == 0 && files.empty() && connections.empty(), "a session was destroyed with something still held");
}

void Session::leave(Connection& connection) {
  connections.erase(&connection);
  if (connections.empty()) runtime::spawn(clean_up(), [this](Status) { server_.session_ended(*this); });
}

void Session::end_others(const Connection& spared) {
  for (Connection* const connection : connections) {
    if (connection != &spared) connection->cut_off();
  }
}

// Gives back everything the peer held. Waits for locks end with EINTR when their owner goes; because a request may
// just be on its way into such a wait, the owners are dropped until no request is at work any more.
runtime::Task<Status> Session::clean_up() {
  runtime::Loop& loop = server_.loop();
  for (;;) {
    // A copy: opens that end meanwhile still add files.
    struct Held {
      fs::FileSystem* fs;
      fs::FileId file;
      std::uint64_t owner;
    };
    std::vector<Held> locks;
    for (const auto& [id, file] : files) {
      for (const std::uint64_t owner : file->owners) locks.push_back({file->fs.get(), file->id, owner});
    }
    for (const Held& held : locks) static_cast<void>(co_await held.fs->unlock_owner(held.file, held.owner));
    if (jobs == 0) break;
    constexpr std::int64_t kAgainNs = 5'000'000;
    co_await loop.sleep_until(loop.clock().monotonic_ns() + kAgainNs);
  }
  for (const auto& [id, file] : files) static_cast<void>(co_await file->fs->close(file->id));
  files.clear();
  // Closing a container may block.
  auto* const held = &containers;
  const auto drop = [held] { return held->clear(), true; };
  static_cast<void>(co_await server_.worker().run<bool>(drop));
  co_return Status();
}

Result<std::uint64_t> Session::owner_for(std::uint64_t peers_owner) {
  constexpr std::size_t kOwnersMax = 65536;
  if (const auto found = owners.find(peers_owner); found != owners.end()) return found->second;
  if (owners.size() >= kOwnersMax) return fail(ENOLCK, "this process has too many owners of locks");
  const std::uint64_t owner = server_.new_owner();
  owners.emplace(peers_owner, owner);
  peers_owners.emplace(owner, peers_owner);
  return owner;
}

}  // namespace ross::server
