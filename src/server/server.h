// Server: a pool of this process for other processes.
//
// One thread with its own loop takes connections at its endpoints and answers their requests, each a coroutine over
// the pool's file systems; calls that block are a worker's. Everything a peer sends is treated as hostile: lengths and
// fields (wire/), how much it has in flight, how many files, containers and lock owners it holds, and for whom it
// speaks: only root may act for others.
//
//   ROSS_TRY(auto domain, fabric::local::make_domain({}));
//   std::vector<server::Listener> listeners;
//   listeners.push_back({std::move(domain), "/srv/ross/pool0/share.sock"});
//   ROSS_TRY(auto server, server::Server::start(*pool, std::move(listeners), {}));
//   ...
//   server->finish();             // waits for the peers; then the pool can be closed
//
// For a simulation it runs on the caller's loop instead, without any thread. Then what blocks (finish(), the destructor) drives
// that loop, and is not called from inside it.
//
// An agent's server has no pool: for each of its sessions it has one at the server upstream (ServerOptions::upstream), and passes on
// what its clients ask for. decisions/0012 says why each has its own.
//
// Ownership: borrows the pool, which outlives it. Limits: kSessionsMax, kGreetingsMax connections that have not greeted yet,
// and wire/limits.h for each session and connection. Threading: any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/random_bytes.h"
#include "client/hosting.h"
#include "client/session.h"
#include "engine/pool.h"
#include "fabric/endpoint.h"
#include "identity/directory.h"
#include "runtime/loop.h"
#include "server/affinity.h"
#include "server/buffers.h"
#include "server/fair_queue.h"
#include "server/pool_wide.h"
#include "server/returning.h"
#include "server/session.h"
#include "server/worker.h"
#include "wire/message.h"

namespace ross::server {

class Connection;

// Who asks for a session through a control plane.
struct Applicant {
  fabric::Peer peer;        // by the control plane's word
  wire::ClientId client{};  // by its own; zeros: its session ends with its last connection
  bool returning = false;   // it wants the session it has, or none
  bool same_machine = false;
  bool relayed = false;       // an agent speaks for it
  identity::Principal who{};  // by the control plane's word
  // Keeps the client at this server, while its session lasts; null: it has no other.
  std::shared_ptr<const Affinity::Binding> binding{};  // shared with its session
};
// What it gets.
struct Begun {
  wire::Token token{};
  bool resumed = false;          // with all that was held
  std::uint32_t generation = 0;  // of the connections so far
  // Where it is joined, in the order of the listeners.
  std::vector<std::string> addresses{};
};

// Begins the session at the server upstream that an agent's server needs for a client of its own: by Session::connect_here() on the
// current loop, with relay() told; what blocks is the worker's. Errors: told to the client as they are.
using BeginUpstream =
    std::function<runtime::Task<Result<std::unique_ptr<client::Session>>>(const Applicant& applicant, Worker& worker)>;

// Which way data goes that a host behind an agent reads and writes, beyond what a message carries along.
enum class Placement : std::uint8_t {
  kAuto,    // straight between the host's memory and the engine, where the host reaches it
  kDirect,  // the same; who cannot is told of in the log
  kStaged,  // through the agent's memory
};

struct ServerOptions {
  std::chrono::milliseconds tell_after{2'000};  // finish() says on stderr for whom it waits
  std::chrono::milliseconds patience{600'000};  // then peers are cut off; 0: at once, without a word
  std::string pool_name = "the pool";           // for that line
  // The pool's store remembers the clients, who can come back to the server's next life. One server of a pool at most, or one group.
  bool remembers = false;
  // For so long the session of a client without connections is kept, and a server started anew waits for its clients.
  std::chrono::milliseconds lease{90'000};
  // Who is who, and under which name they know the pool. Null: there are no tenants, and users are the only bounds.
  std::shared_ptr<identity::Directory> tenants;  // shared by the servers of a process
  std::string export_name;
  // Of a tenant's session; then its client has to show its credential again, by asking the control plane for its session. 0: none.
  std::chrono::milliseconds session_lifetime{0};
  // Makes it an agent's server, which does not use its pool and does not remember.
  BeginUpstream upstream;
  Placement placement = Placement::kAuto;   // of an agent's
  std::set<std::string> staged_containers;  // whose data it stages in any case
  // What it shares with the other servers of a group, and which of them it is. Null: it is alone.
  std::shared_ptr<PoolWide> pool_wide;
  std::size_t place = 0;
  // The processor that its thread is to run on; none: any.
  std::optional<int> core;
  // Simulation: the loop it runs on, which the caller drives; calls that block are made there, too. Null: a thread with a loop of
  // its own.
  runtime::Loop* loop = nullptr;
  // Where tokens come from.
  std::function<void(std::span<std::uint8_t>)> fill_random = ross::fill_random;
};

// Where a server is reached.
struct Listener {
  std::unique_ptr<fabric::Domain> domain;
  std::string address;  // in the domain's form
};

class Server final : public client::Hosting {
 public:
  static constexpr std::size_t kSessionsMax = 256;
  static constexpr std::size_t kSessionsOfAUserMax = 64;  // but root's and this process's own: nobody shuts others out
  static constexpr std::size_t kGreetingsMax = 64;
  static constexpr std::int64_t kGreetingNs = 10'000'000'000;  // a peer that says nothing for so long is sent away

  static Result<std::unique_ptr<Server>> start(engine::Pool& pool, std::vector<Listener> listeners,
                                               ServerOptions options);
  ~Server() override;
  void finish() override;
  // Cuts everybody off, and returns before they have left; then it is only destroyed. So a group's servers stop together.
  void begin_stop() { try_stop(true); }
  // A session for a peer that is known otherwise (a control plane has seen its credentials), which joins it by the token
  // within kGreetingNs. EUSERS when there are too many, ESHUTDOWN when the server stops, ESTALE for a client that returns too late,
  // EAGAIN while its last session is being ended. Blocks; not for a server on the caller's loop.
  Result<Begun> begin_session(const Applicant& applicant);
  // Ends every session whose principal is one of these, with all it held, and returns how many; its data-plane traffic stops at once.
  // Blocks; not for a server on the caller's loop.
  std::size_t end_sessions(const std::function<bool(const identity::Principal& who)>& of);
  // How many sessions a tenant has. Blocks, as above.
  std::size_t sessions_of(std::string_view tenant);
  // What a tenant's sessions have used since the server's start, those that have ended included. Blocks, as above.
  Usage usage_of(std::string_view tenant);
  // Blocks, as above.
  Activity activity();
  // A session that the applicant may have, by its token: its lifetime begins again, or it ends. ESTALE: there is none; EACCES. Block, as
  // above.
  Status renew_session(const wire::Token& token, const Applicant& applicant);
  Status close_session(const wire::Token& token, const Applicant& applicant);
  // Whether it has a session of this token. Blocks, as above.
  bool has_session(const wire::Token& token);
  // The same on the server's loop.
  runtime::Task<Result<Begun>> begin(const Applicant& applicant);
  struct AskedAgain {
    std::atomic<std::uint64_t> here = 0;
    std::atomic<std::uint64_t> earlier = 0;  // made in an earlier life of the server
  };
  // How many changes were asked for again after they had been made.
  [[nodiscard]] const AskedAgain& asked_again() const { return asked_again_; }
  // Bytes of reads and writes so far: Moved, by all sessions.
  struct MovedByAll {
    std::atomic<std::uint64_t> here = 0;
    std::atomic<std::uint64_t> direct = 0;
    std::atomic<std::uint64_t> past = 0;
  };
  [[nodiscard]] const MovedByAll& moved() const { return moved_; }
  // Processes with a session now.
  [[nodiscard]] std::vector<pid_t> peers();
  // Where it is reached, in the order of the listeners.
  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }

  // ---- for connections and sessions, on the server's thread ----
  [[nodiscard]] runtime::Loop& loop() { return loop_; }
  // Calls back at that time, if the server is still there.
  void at(std::int64_t monotonic_ns, std::function<void()> call);
  [[nodiscard]] engine::Pool& pool() { return pool_; }
  [[nodiscard]] Worker& worker() { return worker_; }
  [[nodiscard]] Buffers& buffers() { return buffers_; }
  [[nodiscard]] FairQueue& fair_queue() { return fair_queue_; }
  // Whether a listener's peers can be sent memory that is not registered.
  [[nodiscard]] bool may_lend(std::size_t listener) const {
    return !listeners_[listener].domain->traits().wants_regions;
  }
  static std::uint64_t new_owner();
  [[nodiscard]] std::int64_t lease_ns() const { return std::chrono::nanoseconds(options_.lease).count(); }
  [[nodiscard]] bool stopping() const { return stopping_; }
  // The store's memory of clients; null: it has none.
  [[nodiscard]] engine::Clients* clients() const { return clients_; }
  // Whether clients of an earlier life are awaited, at any server of the pool, and the wait for its end: EINTR when this one stops.
  [[nodiscard]] bool grace() const { return wide_->grace(); }
  runtime::Task<Status> grace_ends() { return wide_->grace_ends(stopping_); }
  // Whether all servers of the pool stop.
  [[nodiscard]] bool all_stop() const { return wide_->all_stop(); }
  void has_come_back(const wire::ClientId& client) { returning_.done(client); }
  // A change was asked for that had been made; in this life, or in an earlier one.
  void was_asked_again(bool from_store) { ++(from_store ? asked_again_.earlier : asked_again_.here); }
  // The store forgets a client.
  runtime::Task<Status> forget(const wire::ClientId& client);
  // Calls back at that time, if the session is still there.
  void after(std::int64_t monotonic_ns, const Session& session, std::function<void(Session&)> call);
  // The session that a greeting asks for. EACCES for a peer that may have none, EUSERS when there are too many.
  Result<Session*> session_for(const wire::Hello& hello, const fabric::Peer& peer);
  [[nodiscard]] const std::string& export_name() const { return options_.export_name; }
  [[nodiscard]] std::int64_t session_lifetime_ns() const {
    return std::chrono::nanoseconds(options_.session_lifetime).count();
  }
  [[nodiscard]] std::shared_ptr<identity::Throttle> throttle_of(const identity::Principal& who) const {
    return options_.tenants == nullptr ? nullptr : options_.tenants->throttle_of(who.name());
  }
  // Writes an attempt into the audit, if there are tenants.
  void refuse(identity::Reason reason, const identity::Principal& who, const fabric::Peer& peer,
              std::string_view what) const;
  // ---- channels for transfers (reach.cc) ----
  [[nodiscard]] bool places_directly() const { return options_.placement != Placement::kStaged; }
  [[nodiscard]] Placement placement() const { return options_.placement; }
  [[nodiscard]] bool stages(std::string_view container) const {
    return options_.staged_containers.contains(std::string(container));
  }
  // Admits one, within kGreetingNs. EUSERS.
  Result<wire::Token> token_for_transfers(Session& session);
  void forget_transfer_tokens(const Session& session);
  [[nodiscard]] std::vector<wire::Reach::Way> ways() const;
  [[nodiscard]] std::uint64_t random_number() const;
  void count(const Moved& moved);
  // ----
  void connection_ended(Connection& connection);
  void session_ended(Session& session);
  // ---- on the worker's thread ----
  // One open container for all who ask for it by the same name.
  Result<std::shared_ptr<fs::FileSystem>> open_container(const std::string& name);

 private:
  struct Turn : runtime::Message {
    Server* server = nullptr;
  };
  // Who comes by one of the listeners.
  struct ListenerAcceptor final : fabric::Acceptor {
    Server* server = nullptr;
    std::size_t listener = 0;
    void on_channel(std::unique_ptr<fabric::Channel> channel) override { server->admit(std::move(channel), listener); }
  };

  // Requests that wait for their turn begin in each pass of the loop (limits.cc).
  struct Turns final : runtime::Poller {
    Server* server = nullptr;
    std::size_t poll() override { return server->give_turns(); }
    std::int64_t arm() override { return server->fair_queue_.has_next() ? 0 : kUntilReadable; }
  };

  Server(engine::Pool& pool, std::vector<Listener> listeners, ServerOptions options,
         std::unique_ptr<runtime::Loop> own_loop);

  Status open_endpoints();
  void name_and_pin();
  Result<Session*> new_session(const fabric::Peer& peer, const wire::ClientId& client, const identity::Principal& who);
  Status may_have(const Session& session, const Applicant& applicant) const;
  std::size_t end_these(const std::function<bool(const identity::Principal& who)>& of);
  // What work() returns on the server's thread; stopped when that has ended.
  template <class T>
  T on_loop(std::function<T()> work, T stopped);
  Status with_session(const wire::Token& token, const Applicant& applicant, const std::function<void(Session&)>& work);
  // ESTALE for a token that admits nobody.
  Result<Session*> session_for_transfers(const wire::Token& token, const fabric::Peer& peer);
  void grace_is_over();
  void release_orphans();
  void end_reclaiming();
  runtime::Task<Result<Begun>> find_or_make(const Applicant& applicant);
  runtime::Task<Result<Session*>> begin_again(const Applicant& applicant);
  runtime::Task<Result<Session*>> begin_upstream(const Applicant& applicant);
  [[nodiscard]] Session* session_of(const wire::ClientId& client) const;
  void admit(std::unique_ptr<fabric::Channel> channel, std::size_t listener);
  void take_turn();
  std::size_t give_turns();
  void stop_when_empty();
  void await_answer(std::unique_lock<std::mutex>& lock);
  // Asks the loop to stop if nobody is there (or, by force, anyway) and waits for its answer.
  bool try_stop(bool force);
  void stop();

  // constant after construction
  engine::Pool& pool_;
  engine::Clients* const clients_;
  const ServerOptions options_;
  const std::shared_ptr<PoolWide> wide_;           // shared by the servers of a group
  const std::unique_ptr<runtime::Loop> own_loop_;  // null: the caller's
  runtime::Loop& loop_;
  const std::vector<Listener> listeners_;
  std::vector<std::string> addresses_;

  AskedAgain asked_again_;  // any thread
  MovedByAll moved_;        // any thread

  // owner thread (thread_, or the caller's)
  Buffers buffers_;
  FairQueue fair_queue_;
  Turns turns_;
  bool awaits_period_ = false;               // a timer is set for its end
  std::vector<ListenerAcceptor> acceptors_;  // one for each listener
  std::vector<std::unique_ptr<fabric::Endpoint>> endpoints_;
  bool stopping_ = false;
  bool ended_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // watched by timers
  std::uint64_t next_connection_ = 1;
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::map<wire::Token, std::unique_ptr<Session>> sessions_;
  std::map<std::string, Usage, std::less<>> usage_;  // by tenants' sessions that have ended
  Usage usage_of_all_;                               // by sessions that have ended
  struct Awaited {
    Session* session = nullptr;
    std::int64_t until_ns = 0;
  };
  std::map<wire::Token, Awaited> transfer_tokens_;  // of channels for transfers
  std::size_t greetings_ = 0;                       // connections that have not greeted
  std::size_t beginning_ = 0;                       // sessions at their begin, and what else it does for itself
  std::set<wire::ClientId> beginning_upstream_;     // clients

  // guarded by mutex_
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<pid_t> peers_;
  bool stop_asked_ = false;
  bool stop_forced_ = false;
  bool stop_answered_ = false;
  bool stop_granted_ = false;

  // worker_'s thread
  absl::flat_hash_map<std::string, std::weak_ptr<fs::FileSystem>> containers_;

  Turn turn_;
  Worker worker_;
  Returning returning_;  // owner thread
  std::thread thread_;
};

}  // namespace ross::server
