// Connection: one channel of a peer: its greeting, then its requests in flight.
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

#include <memory>
#include <string>
#include <vector>

#include "fabric/endpoint.h"
#include "fs/file_system.h"
#include "runtime/task.h"
#include "server/buffers.h"
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
  [[nodiscard]] std::uint64_t id() const { return id_; }
  [[nodiscard]] bool greeted() const { return session_ != nullptr; }

 private:
  using File = Session::File;
  struct Job;
  // The transfer between a job's buffer and one window.
  struct Move : fabric::Transfer {
    Job* job = nullptr;
    fabric::Window remote;
  };
  struct Job : fabric::Outgoing {
    Connection* connection = nullptr;
    std::vector<std::byte> bytes;  // the request's, which request points into
    wire::Request request;
    fs::Credential cred;
    Buffers::Buffer buffer;  // the data of a write or a read
    std::size_t buffer_bytes = 0;
    std::vector<Move> moves;  // one for each window; of earlier requests, too
    std::size_t uses = 0;     // of the channel: moves under way, and the reply
    bool failed = false;      // a move
    std::uint64_t counted_bytes = 0;
    bool counted = false;  // in inflight_
    bool lock_wait = false;
    std::string text;  // the reply's, when it is made here
    wire::Reply reply;
    std::size_t reply_payload_bytes = 0;
    fs::FileSystem* fs = nullptr;  // of the request's container or file
    std::shared_ptr<fs::FileSystem> fs_owner;
    File* file = nullptr;
  };
  // The first answer; what it refuses ends when it has been sent.
  struct Greeting : fabric::Outgoing {
    Connection* connection = nullptr;
    bool refused = false;
  };
  using Work = runtime::Task<Status>;

  // fabric::Receiver
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override;
  Status on_message() override;
  void on_closed(const Status& why) override;

  // connection.cc: a job's life
  Status greet(std::span<const std::byte> head, std::size_t payload_bytes);
  Job& new_job();
  Status check_bounds(Job& job, std::size_t payload_bytes);
  Status prepare(Job& job);
  void begin(Job& job);
  void finish(Job& job, Status status);
  void let_go(Job& job);
  void release(Job& job);
  // Begins to move the first size_bytes of the job's buffer: to the peer's windows, or from them.
  void move(Job& job, std::size_t size_bytes);
  static void moved(fabric::Transfer& transfer, int error);
  void end_if_idle();
  Status check_credential(Job& job) const;

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
  Work close(Job& job);
  Work file_request(Job& job);
  Work lock(Job& job);
  Work test_lock(Job& job);
  Work statfs(Job& job);
  // pool_requests.cc
  Work open_container(Job& job);
  Work close_container(Job& job);
  Work pool_request(Job& job);
  Work pool_text(Job& job);
  Work end_session();

  Server& server_;
  const std::uint64_t id_;
  const std::unique_ptr<fabric::Channel> channel_;
  const std::size_t listener_;
  Session* session_ = nullptr;  // from the greeting on
  Greeting greeting_;
  std::vector<std::unique_ptr<Job>> spare_jobs_;
  Job* landing_ = nullptr;  // whose payload is coming in
  std::uint32_t jobs_ = 0;
  std::uint32_t inflight_ = 0;
  std::uint64_t inflight_bytes_ = 0;
  std::uint32_t lock_waits_ = 0;
  bool closed_ = false;
};

}  // namespace ross::server
