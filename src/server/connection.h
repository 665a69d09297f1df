// Connection: one channel of a peer: its greeting, then its requests in flight, or transfers alone.
//
// A connection for transfers carries data of requests that came by others of its session: the server's puts and gets, and behind
// the puts of a read the word that they are out. Whatever its peer says on it is its end. So is a transfer that fails, or that
// does not go on for kTransferPatienceNs; the requests it was for are answered EIO with the hint `endpoint`, unless they have been answered.
//
// A request becomes a Job when its head is decoded, runs as a coroutine when its data is here (its payload has landed, or was
// got from the windows it names), and ends when its reply has been sent and what it puts into windows is out. The reply is
// sent behind the puts without waiting for them: it arrives after their data (fabric/channel.h). A peer that breaks the
// protocol or its bounds is cut off; one that asks for what it may not have gets an error. A window that refuses a transfer
// ends this connection and no other.
//
// Ownership: owns its channel; the server owns it until it calls connection_ended. Threading: owner thread (the
// server's).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "fabric/endpoint.h"
#include "fs/file_system.h"
#include "runtime/task.h"
#include "server/job.h"
#include "server/session.h"
#include "wire/message.h"

namespace ross::server {

class Server;

class Connection final : private fabric::Receiver {
 public:
  // listener: the one of the server's that the peer came by.
  Connection(Server& server, std::uint64_t id, std::unique_ptr<fabric::Channel> channel, std::size_t listener);
  ~Connection();
  void start() { channel_->start(*this); }
  void cut_off() { channel_->close(); }
  // A request of its own whose turn has come.
  void has_turn(Job& job);
  // Of one for transfers: its session ends.
  void forget_session() { session_ = nullptr; }
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] bool greeted() const { return greeted_; }
  // How often its client had tried to come back when it made this connection.
  [[nodiscard]] std::uint32_t generation() const { return generation_; }
  // Of one for transfers: its name in requests.
  [[nodiscard]] std::uint64_t channel_name() const { return channel_name_; }

 private:
  using File = Session::File;
  // The first answer; what it refuses ends when it has been sent.
  struct Greeting : fabric::Outgoing {
    Connection* connection = nullptr;
    bool refused = false;
  };
  using Work = runtime::Task<Status>;
  // A request that waits for its tenant's limits.
  struct Held {
    std::int64_t at_ns;
    Job* job;
  };
  static constexpr std::uint64_t kLentBytesMax = 16 * kMiB;  // at once
  static constexpr std::int64_t kTransferPatienceNs = 15'000'000'000;

  // fabric::Receiver
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override;
  Status on_message() override;
  void on_closed(const Status& why) override;

  // connection.cc: a job's life
  Status greet(std::span<const std::byte> head, std::size_t payload_bytes);
  Job& new_job();
  Status check_bounds(Job& job, std::size_t payload_bytes);
  Status prepare(Job& job);
  void admit(Job& job);
  void go_on(Job& job);
  void begin(Job& job);
  void finish(Job& job, Status status);
  void let_go(Job& job);
  void uncount(Job& job);
  void release(Job& job);
  void end_if_idle();
  Status check_credential(Job& job) const;
  // limits.cc: of a tenant with limits, and of several principals
  bool held_back(Job& job);
  void return_unused(const Job& job, std::uint64_t used_bytes);
  void let_due_go_on();
  // access.cc: of a tenant's session
  Status check_access(const Job& job) const;
  Work list_upstream(Job& job);
  Status may_administer(std::string_view container) const;
  [[nodiscard]] bool sees(std::string_view container) const;
  Status absent(std::string_view container) const;
  Status unknown_handle(std::string_view what) const;

  // transfers.cc
  // Whether the request is one whose data goes by a channel for transfers.
  [[nodiscard]] static bool names_channel(const wire::Request& request) {
    return request.node != 0 && !request.windows.empty();
  }
  // The same, on an agent: past this server.
  [[nodiscard]] bool passes_by(const Job& job) const;
  static Status no_carrier() { return Status(EIO, "the channel for the data is gone", Retry::kEndpoint); }
  void count_moved(const Job& job);
  // By whose channel the job's data goes; null: it is gone.
  Connection* carrier_of(const Job& job);
  // Begins to move the first size_bytes of the job's buffer: to the peer's windows, or from them.
  void move(Job& job, Connection& carrier, std::size_t size_bytes);
  static void moved(fabric::Transfer& transfer, int error);
  // On a connection for transfers.
  void say_landed(Job& job);
  void transfer_begins();
  void transfer_ends();
  void watch_transfers();
  void watch_loans();

  // once.cc: a change that is asked for again
  bool dealt_with(Job& job);
  void begin_change(Job& job);
  Work change_once(Job& job);
  void settle(Job& job, const Status& status);
  void answer_again(Job& job, const Session::Slot& slot);

  // requests.cc: what each request does
  Work run(Job& job);
  Work lookup(Job& job);
  Work getattr(Job& job);
  Work read(Job& job);
  Work write(Job& job);
  Work name_request(Job& job);
  Work change_request(Job& job);
  Work list(Job& job);
  Work setattr(Job& job);
  Work get_text(Job& job);
  Work open(Job& job);
  void add_file(Job& job, const fs::Opened& opened, std::uint64_t number);
  Work close(Job& job);
  Work file_request(Job& job);
  Work lock(Job& job);
  Work test_lock(Job& job);
  Work statfs(Job& job);
  // reach.cc
  Work reach(Job& job);
  void tell_way(const Job& job);
  // pool_requests.cc
  Work open_container(Job& job);
  Work close_container(Job& job);
  Work pool_request(Job& job);
  Work pool_text(Job& job);
  Work end_session();
  // reclaim.cc: what a client has that comes back
  Work open_again(Job& job, std::uint64_t node, std::uint64_t bits, std::uint64_t number);
  Work reclaimed(Job& job);
  // upstream.cc: of an agent's server
  Work pass_on(Job& job);
  Work pass_windows(Job& job);
  Work open_container_upstream(Job& job);
  Work reopen_upstream(Job& job);
  bool may_go_upstream(const Job& job);

  Server& server_;
  const std::uint64_t id_;
  const std::unique_ptr<fabric::Channel> channel_;
  const std::size_t listener_;
  Session* session_ = nullptr;  // from the greeting on
  bool greeted_ = false;
  wire::Kind kind_ = wire::Kind::kRequests;
  std::uint64_t channel_name_ = 0;  // for transfers
  std::uint32_t transfers_ = 0;     // under way on it, for transfers
  std::uint64_t transfers_ended_ = 0;
  bool watches_transfers_ = false;
  std::uint32_t generation_ = 0;
  Greeting greeting_;
  std::vector<std::unique_ptr<Job>> spare_jobs_;
  Job* landing_ = nullptr;  // whose payload is coming in
  std::uint32_t jobs_ = 0;
  std::uint32_t inflight_ = 0;
  std::uint64_t inflight_bytes_ = 0;
  std::uint32_t lock_waits_ = 0;
  std::deque<Held> held_;  // in the order of their times
  FairQueue::Line line_;   // those whose time has come, but not their turn
  const bool lends_;       // reads are answered from where the data lies
  std::uint64_t lent_bytes_ = 0;
  std::uint64_t loans_ended_ = 0;
  bool watches_loans_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // watched by timers
  bool closed_ = false;
};

}  // namespace ross::server
