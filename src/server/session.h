// Session: what one peer holds on this server, through however many connections.
//
// A client makes a connection for each loop it works from; all of them join one session by its token. Files, containers
// and owners of locks belong to the session, requests in flight to the connection they came by. When the last connection
// ends, everything the session held is released: locks dropped, files closed.
//
// The session of a client that named itself outlives its connections: it is kept for the server's lease, unless the client
// says goodbye or its process is seen to end. It remembers for each slot the last change and what was answered, so that a
// change that is asked for again is not made again.
//
// In an agent's server it has a session upstream, which holds all this: containers, files and owners have the numbers they have
// there, so that another agent, or this one started anew, can go on. upstream.cc has what is different.
//
// Ownership: the server owns sessions; connections point to theirs. Threading: owner thread (the server's).
#pragma once

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "client/session.h"
#include "fabric/channel.h"
#include "fs/file_system.h"
#include "identity/principal.h"
#include "identity/throttle.h"
#include "runtime/task.h"
#include "server/affinity.h"
#include "server/fair_queue.h"
#include "server/process_watch.h"
#include "wire/message.h"

namespace ross::server {

class Connection;
class Server;
struct Job;

// Bytes of reads and writes, by the way they took.
struct Moved {
  std::uint64_t here = 0;    // between this process and the peer: staged, on an agent
  std::uint64_t direct = 0;  // between this process and the memory of a host, past the agent that asked
  std::uint64_t past = 0;    // between a host and the server upstream, past this agent
};

// What sessions have used so far.
struct Usage {
  std::uint64_t operations = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t waited_for_limit = 0;  // operations
  std::uint64_t waited_for_turn = 0;
  Usage& operator+=(const Usage& other);
};

// What a server does, and has done since its start.
struct Activity {
  std::uint64_t sessions = 0;
  std::uint64_t connections = 0;
  std::uint64_t waiting = 0;  // requests, for their turn
  Usage usage;                // of all sessions, those that have ended included
  Moved moved;
  std::uint64_t asked_again = 0;  // changes that had been made when they were asked for again
  Activity& operator+=(const Activity& other);
};

class Session {
 public:
  // An open file of the peer.
  struct File {
    std::shared_ptr<fs::FileSystem> fs;  // shared with the container's other files
    std::uint32_t container = 0;
    fs::FileId id;
    std::uint32_t users = 0;  // jobs at work on it
    // A close that waits for the others: of an earlier connection of its client, which was cut off and does not know them any more.
    // From then on nobody finds the file.
    std::coroutine_handle<> closer;
    bool closing = false;
    std::set<std::uint64_t> owners;  // that took locks through it
  };

  // The last change of a slot, by its id.
  struct Slot {
    enum class State : std::uint8_t { kUnderWay, kDone, kFailed };
    std::uint64_t id = 0;
    State state = State::kUnderWay;
    bool from_store = false;  // done in an earlier life of the server
    bool created = false;
    bool has_attr = false;
    std::uint64_t value = 0;
    wire::Attr attr{};
    std::vector<Job*> waiting;  // the same, asked for again meanwhile
  };

  // What a tenant's session may do in a container that it has open.
  struct Place {
    std::string name;
    identity::Access access = identity::Access::kNone;
  };

  Session(Server& server, const wire::Token& token, fabric::Peer peer, const wire::ClientId& client,
          identity::Principal who);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] const wire::Token& token() const { return token_; }
  [[nodiscard]] const fabric::Peer& peer() const { return peer_; }
  [[nodiscard]] const wire::ClientId& client() const { return client_; }
  [[nodiscard]] const identity::Principal& who() const { return who_; }
  // Its client has shown a credential, the same tenant's as before: its lifetime begins again.
  void renew(const identity::Principal& who);
  // It has opened a container.
  void has_place(std::uint32_t number, const std::string& name);
  // Null: its tenant has no limits.
  [[nodiscard]] identity::Throttle* throttle() const { return throttle_.get(); }
  // What it has with all sessions of its principal.
  [[nodiscard]] FairQueue::Share& share() const { return share_; }
  // Its lifetime is over: nobody joins it until it is renewed.
  [[nodiscard]] bool expired() const { return expired_; }
  [[nodiscard]] bool outlives_connections() const { return client_ != wire::ClientId{}; }
  // Nobody may join or have it any more.
  [[nodiscard]] bool ends() const { return leaving || ended_; }
  // Whose end is seen here: a process of this machine.
  void watch(std::unique_ptr<ProcessWatch> process) { process_ = std::move(process); }

  // From its begin on, of an agent's server.
  void set_upstream(std::shared_ptr<client::Session> upstream) { upstream_ = std::move(upstream); }
  // Null: it holds everything itself.
  [[nodiscard]] const std::shared_ptr<client::Session>& upstream() const { return upstream_; }

  // Also ends the connections from before the client came back.
  void join(Connection& connection);
  // When its channel has ended. After the last one everything is released, at once or when the lease is over.
  void leave(Connection& connection);
  // Cuts off every connection but one; then the session ends with that one.
  void end(const Connection& last);
  // Cuts off all; then the session ends.
  void give_up();
  // It has no connection (yet): when nobody comes within so long it ends.
  void wait_for_connection(std::int64_t patience_ns);
  // ---- channels for transfers (reach.cc) ----
  // The name of one that joins; random, so that a request from before the server's restart does not mean another's.
  std::uint64_t join_for_transfers(Connection& connection);
  void leave_for_transfers(Connection& connection);
  // Null: there is none of this name any more.
  [[nodiscard]] Connection* for_transfers(std::uint64_t channel) const;
  // Ends them all.
  void end_transfers();
  [[nodiscard]] std::size_t transfer_channels() const { return transfer_channels_.size(); }

  // Releases everything now. Of a client that may come back to the server's next life, the store keeps what it remembers.
  void end_now();

  // Locks of different peers must not meet under one owner's number, so each peer's owners get numbers of ours.
  Result<std::uint64_t> owner_for(std::uint64_t peers_owner);

  absl::flat_hash_set<Connection*> connections;
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<File>> files;
  absl::flat_hash_map<std::uint32_t, std::shared_ptr<fs::FileSystem>> containers;  // shared with other sessions
  absl::flat_hash_map<std::uint32_t, Place> places;                                // of a tenant
  absl::flat_hash_map<std::uint64_t, std::uint64_t> owners;                        // the peer's to ours
  absl::flat_hash_map<std::uint64_t, std::uint64_t> peers_owners;                  // ours to the peer's
  absl::flat_hash_map<std::uint16_t, Slot> slots;
  std::shared_ptr<const Affinity::Binding> binding;  // shared with who begins its client's session again; null: none
  std::uint32_t generation = 0;
  bool leaving = false;     // it releases what it held
  bool reclaiming = false;  // the client came back to a server started anew, and has not all it held yet
  bool relayed = false;     // an agent speaks for the client
  absl::flat_hash_set<std::uint64_t> ids_upstream;  // of changes under way there
  std::uint64_t next_file = 1;
  std::uint32_t next_container = 1;
  std::uint32_t jobs = 0;        // of all connections
  std::uint32_t lock_waits = 0;  // of these, those that may wait for a lock
  std::uint32_t opening = 0;     // opens at work, which will be files
  Moved moved;
  Usage usage;
  absl::flat_hash_set<std::uint32_t> staged;  // containers, on an agent
  bool told_staged = false;                   // the log has it that large data of this session is staged

 private:
  void look_at_lifetime();
  void look_for_connection(std::uint64_t absence, std::int64_t until_ns);
  void cut_off_all_but(const Connection* one);
  runtime::Task<Status> clean_up();
  runtime::Task<Status> leave_upstream();

  Server& server_;
  const wire::Token token_;
  const fabric::Peer peer_;
  const wire::ClientId client_;
  identity::Principal who_;
  std::shared_ptr<identity::Throttle> throttle_;  // shared by the sessions of a tenant
  FairQueue::Share& share_;
  std::int64_t ends_ns_ = 0;  // monotonic; 0: does not
  bool has_end_timer_ = false;
  bool expired_ = false;
  std::unique_ptr<ProcessWatch> process_;      // null: not seen
  std::shared_ptr<client::Session> upstream_;  // with the containers opened over it
  bool ended_ = false;                         // by the peer's own word
  absl::flat_hash_map<std::uint64_t, Connection*> transfer_channels_;
  std::uint64_t absences_ = 0;
};

}  // namespace ross::server
