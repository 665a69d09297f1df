// Session: what this process has to do with a server: a connection for each loop that calls, and one of its own.
//
// A call is made on the caller's loop and comes back there (lane.h). The session's own connection serves plain code, and
// keeps the session alive at the server while no loop is connected.
//
//   ROSS_TRY(auto session, client::Session::connect("/srv/ross/pool0/share.sock", deadline_ns));
//   wire::Request request{.op = wire::Op::kPoolSync};
//   Result<client::Answer> answer = co_await session->call(request, {}, {});
//
// A session that was told how it is brought back (outlive) survives the loss of its connections and of its server: its calls
// wait. Otherwise they end.
//
// An agent has a session for each client of its own, and speaks for it: relay() says what is different then.
//
// Ownership: calls end before the session does, and so do the files opened in it. In a child of fork() every call is
// ESHUTDOWN: the child connects anew. Threading: any thread that drives a loop.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>

#include "client/lane.h"

namespace ross::client {

class Session {
 public:
  // Connects and greets. ENOENT, ECONNREFUSED, ECONNRESET or ESHUTDOWN while nobody serves there (yet), ETIMEDOUT at the
  // deadline, EACCES when the other end is of another user, EPROTO when it is of another version.
  static Result<std::unique_ptr<Session>> connect(const std::filesystem::path& path, std::int64_t deadline_ns);
  // The same by any backend. token names a session that the server has begun for us; zeros ask for one, which only
  // peers get whom the kernel knows.
  static Result<std::unique_ptr<Session>> connect(std::unique_ptr<fabric::Domain> domain, std::string address,
                                                  const wire::Token& token, std::int64_t deadline_ns);
  // The same on the current loop, without blocking. The session has that loop for its own from then on: what blocks
  // (call_and_wait(), the destructor, outlive()'s end) drives it, and is not called from inside it. generation: how often the
  // client's session was brought back before, by others.
  static runtime::Task<Result<std::unique_ptr<Session>>> connect_here(std::unique_ptr<fabric::Domain> domain,
                                                                      std::string address, wire::Token token,
                                                                      std::int64_t deadline_ns,
                                                                      std::uint32_t generation = 0);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // From now on the session outlives its connections and its server's process: recovery.h. Before the first call. Errors:
  // those of a loop (EMFILE).
  Status outlive(Recovery::Ask ask, const Recovery::Options& options);

  // Before the first call: data that is large enough goes straight to the server behind this one, where there is one that can be
  // reached; what fails on that way goes by this one.
  void reach(Reaching reaching) { state_->reaching = std::make_unique<Reaching>(std::move(reaching)); }
  // Which way that is, found out now by the current loop's lane.
  runtime::Task<Placed> place_data();
  // The same from plain code, on the session's own connection.
  Placed place_data_and_wait();
  struct Moved {
    std::uint64_t directly = 0;
    std::uint64_t by_server = 0;
  };
  // Bytes of reads and writes so far.
  [[nodiscard]] Moved moved() const { return {state_->moved_directly, state_->moved_by_server}; }

  // Whether what is read need not come with checksums: SessionState::server_checks.
  [[nodiscard]] bool server_checks() const { return state_->server_checks.load(std::memory_order_relaxed); }

  // Before the first call: this is the session of somebody else's client, for whom this process is the agent. Its changes have
  // the slots and ids that the client gave them, left for each call by fs::name_next_change(), so that the server knows them whichever
  // agent brings them; two with one id are not under way at once, and ids are below wire::kAgentIdsBegin. A change without a name
  // has no slot, and is not made again when the connection is lost, unless the client reclaims by it. reclaiming: the client will say what it held (kReopen and the
  // like), until it says that it has all (kReclaimed).
  void relay(bool reclaiming);
  // Of a session that connect_here() made: the end, on its own loop. Calls under way end with ESHUTDOWN soon, later ones at once. goodbye:
  // the server gives back what the session held; otherwise it is kept there for whoever brings it back. Afterwards, when no call is
  // left, the destructor, which does not block any more.
  runtime::Task<Status> leave(bool goodbye);

  // payload goes with the request; the reply's payload lands at the front of into. Both live until the task is done.
  // staged: it goes to this server, not past it.
  runtime::Task<Result<Answer>> call(const wire::Request& request, memory::Memory payload, memory::Memory into,
                                     bool staged = false);
  // The same from plain code, on the session's own connection.
  Result<Answer> call_and_wait(const wire::Request& request);

  [[nodiscard]] pid_t server_pid() const { return state_->server_pid; }
  [[nodiscard]] bool relays() const { return state_->relays; }

 private:
  Session(std::shared_ptr<SessionState> state, std::unique_ptr<runtime::Loop> own_loop, runtime::Loop& loop)
      : state_(std::move(state)), own_loop_(std::move(own_loop)), loop_(loop) {}
  [[nodiscard]] Status forked() const;

  const std::shared_ptr<SessionState> state_;      // with the lanes
  const std::unique_ptr<runtime::Loop> own_loop_;  // null: the caller's
  std::mutex mutex_;
  runtime::Loop& loop_;  // guarded by mutex_; driven inside call_and_wait
};

}  // namespace ross::client
