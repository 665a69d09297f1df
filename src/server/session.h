// Session: what one peer holds on this server, through however many connections.
//
// A client makes a connection for each loop it works from; all of them join one session by its token. Files, containers
// and owners of locks belong to the session, requests in flight to the connection they came by. When the last connection
// ends, everything the session held is released: locks dropped, files closed.
//
// Ownership: the server owns sessions; connections point to theirs. Threading: owner thread (the server's).
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <memory>

#include "fabric/channel.h"
#include "fs/file_system.h"
#include "runtime/task.h"
#include "wire/message.h"

namespace ross::server {

class Connection;
class Server;

class Session {
 public:
  // An open file of the peer.
  struct File {
    std::shared_ptr<fs::FileSystem> fs;  // shared with the container's other files
    std::uint32_t container = 0;
    fs::FileId id;
    std::uint32_t users = 0;                    // jobs at work on it
    absl::flat_hash_set<std::uint64_t> owners;  // that took locks through it
  };

  Session(Server& server, const wire::Token& token, fabric::Peer peer)
      : server_(server), token_(token), peer_(std::move(peer)) {}
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] const wire::Token& token() const { return token_; }
  [[nodiscard]] const fabric::Peer& peer() const { return peer_; }

  void join(Connection& connection) {
    joined = true;
    connections.insert(&connection);
  }
  // When its channel has ended. The last one to leave has everything released, once its requests are over.
  void leave(Connection& connection);
  // Cuts off every connection but one.
  void end_others(const Connection& spared);

  // Locks of different peers must not meet under one owner's number, so each peer's owners get numbers of ours.
  Result<std::uint64_t> owner_for(std::uint64_t peers_owner);

  absl::flat_hash_set<Connection*> connections;
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<File>> files;
  absl::flat_hash_map<std::uint32_t, std::shared_ptr<fs::FileSystem>> containers;  // shared with other sessions
  absl::flat_hash_map<std::uint64_t, std::uint64_t> owners;                        // the peer's to ours
  absl::flat_hash_map<std::uint64_t, std::uint64_t> peers_owners;                  // ours to the peer's
  bool joined = false;  // had a connection; with none left it is on its way out
  std::uint64_t next_file = 1;
  std::uint32_t next_container = 1;
  std::uint32_t jobs = 0;     // of all connections
  std::uint32_t opening = 0;  // opens at work, which will be files

 private:
  runtime::Task<Status> clean_up();

  Server& server_;
  const wire::Token token_;
  const fabric::Peer peer_;
};

}  // namespace ross::server
