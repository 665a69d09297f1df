// Server: a pool of this process for other processes of the same user.
//
// One thread with its own loop takes connections at a listening socket and answers their requests, each a coroutine over
// the pool's file systems; calls that block are a worker's. Everything a peer sends is treated as hostile: lengths and
// fields (wire/), how much it has in flight, how many files, containers and lock owners it holds, and for whom it
// speaks: only root may act for others. When a connection ends, everything it held is released: requests are ended, locks
// dropped, files closed.
//
//   ROSS_TRY(auto listener, fabric::listen_at("/srv/ross/pool0/share.sock"));
//   ROSS_TRY(auto server, server::Server::start(*pool, std::move(listener), {}));
//   ...
//   server->finish();             // waits for the peers; then the pool can be closed
//
// Ownership: borrows the pool, which outlives it. Limits: kConnectionsMax, and wire/limits.h for each connection.
// Threading: any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/hosting.h"
#include "engine/pool.h"
#include "fabric/local/socket.h"
#include "runtime/loop.h"
#include "server/buffers.h"
#include "server/worker.h"
#include "wire/message.h"

namespace ross::server {

class Connection;

struct ServerOptions {
  std::chrono::milliseconds tell_after{2'000};  // finish() says on stderr for whom it waits
  std::chrono::milliseconds patience{600'000};  // then peers are cut off
  std::string pool_name = "the pool";           // for that line
};

class Server final : public client::Hosting {
 public:
  static constexpr std::size_t kConnectionsMax = 256;
  static constexpr std::int64_t kGreetingNs = 10'000'000'000;  // a peer that says nothing for so long is sent away

  static Result<std::unique_ptr<Server>> start(engine::Pool& pool, fabric::Socket listener, ServerOptions options);
  ~Server() override;
  void finish() override;
  // Processes connected now.
  [[nodiscard]] std::vector<pid_t> peers();

 private:
  friend class Connection;
  struct Accept : runtime::Completion {
    Server* server = nullptr;
  };
  struct Turn : runtime::Message {
    Server* server = nullptr;
  };
  // A connection whose first bytes are awaited.
  struct Greeting : runtime::Completion {
    Server* server = nullptr;
    fabric::Socket socket;
    wire::Hello hello;
    std::uint64_t id = 0;
  };

  Server(engine::Pool& pool, fabric::Socket listener, ServerOptions options, std::unique_ptr<runtime::Loop> loop);

  void post_accept();
  void accepted(int result);
  void greet(fabric::Socket socket);
  void greeted(Greeting& greeting, int result);
  void welcome(fabric::Socket socket, const fabric::Peer& peer);
  void connection_ended(Connection& connection);
  void take_turn();
  void stop_when_empty();
  // Asks the loop's thread to stop accepting if nobody is there (or, by force, anyway) and waits for its answer.
  bool try_stop(bool force);
  void stop_thread();
  // One open container for all who ask for it by the same name.
  Result<std::shared_ptr<fs::FileSystem>> open_container(const std::string& name);

  // constant after construction
  engine::Pool& pool_;
  const ServerOptions options_;
  const std::unique_ptr<runtime::Loop> loop_;

  // owner thread (thread_)
  fabric::Socket listener_;
  Accept accept_;
  bool accepting_ = false;
  bool stopping_ = false;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_owner_;  // of locks, server-wide
  absl::flat_hash_map<std::uint64_t, std::unique_ptr<Greeting>> greetings_;
  absl::flat_hash_map<Connection*, std::unique_ptr<Connection>> connections_;
  Buffers buffers_;

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
  std::thread thread_;
};

}  // namespace ross::server
