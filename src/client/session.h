// Session: a connection to the process that serves a pool, for every thread and loop of this process.
//
// A call encodes its request where it is made; the session's own thread sends what has gathered in one go, keeps to what
// the server granted (requests and bytes in flight; the rest waits here), lands payloads in the caller's memory and
// resumes each caller on its own loop. When the connection ends, for whatever reason, every call ends too, with
// ESHUTDOWN and a sentence; nothing waits for a process that has gone.
//
//   ROSS_TRY(auto session, client::Session::connect("/srv/ross/pool0/share.sock", deadline_ns));
//   wire::Request request{.op = wire::Op::kPoolSync};
//   Result<client::Answer> answer = co_await session->call(request, {}, {});
//
// Ownership: calls end before the session does. In a child of fork() every call is ESHUTDOWN: the child connects anew.
// Threading: any thread that drives a loop.
#pragma once

#include <absl/container/flat_hash_map.h>
#include <sys/types.h>

#include <coroutine>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/status.h"
#include "fabric/channel.h"
#include "fabric/local/socket.h"
#include "memory/memory.h"
#include "runtime/loop.h"
#include "wire/message.h"

namespace ross::client {

// A reply that was no error.
struct Answer {
  std::uint64_t value = 0;
  std::uint64_t payload_bytes = 0;  // landed in the caller's memory
  bool created = false;
  bool has_attr = false;
  wire::Attr attr{};
  std::string text;
};

class Session final : private fabric::Receiver {
 public:
  // Connects and greets. ENOENT, ECONNREFUSED or ECONNRESET while nobody serves there (yet), ETIMEDOUT at the deadline,
  // EACCES when the other end is of another user, EPROTO when it is of another version.
  static Result<std::unique_ptr<Session>> connect(const std::filesystem::path& path, std::int64_t deadline_ns);
  // The same over a socket that is connected already.
  static Result<std::unique_ptr<Session>> over(fabric::Socket socket, std::int64_t deadline_ns);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // payload goes with the request; the reply's payload lands at the front of into. Both live until the task is done.
  runtime::Task<Result<Answer>> call(const wire::Request& request, memory::Memory payload, memory::Memory into);
  // The same from plain code, on a loop of its own.
  Result<Answer> call_and_wait(const wire::Request& request);

  [[nodiscard]] pid_t server_pid() const { return server_pid_; }

 private:
  struct Call;
  struct Waiting;
  struct Sending : fabric::Outgoing {
    Call* call = nullptr;
  };
  struct Turn : runtime::Message {
    Session* session = nullptr;
  };

  Session(std::unique_ptr<runtime::Loop> loop, wire::Hello hello);

  [[nodiscard]] Status gone(const Status& why) const;
  bool submit(Call& call);
  void take_turn();
  void pump();
  void fail_call(Call& call);
  void finish(Call& call);

  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override;
  Status on_message() override;
  void on_closed(const Status& why) override;

  // constant after construction
  const std::unique_ptr<runtime::Loop> loop_;
  const pid_t pid_;
  const pid_t server_pid_;
  const std::uint32_t inflight_max_;
  const std::uint64_t inflight_bytes_max_;

  // guarded by mutex_
  std::mutex mutex_;
  Call* submitted_ = nullptr;  // newest first
  bool turn_planned_ = false;
  bool stopping_ = false;
  bool broken_ = false;
  Status why_;  // it broke

  // owner thread (thread_)
  std::unique_ptr<fabric::Channel> channel_;
  absl::flat_hash_map<std::uint64_t, Call*> calls_;  // sent and not answered
  Call* waiting_ = nullptr;                          // for room in flight, in order
  Call** waiting_tail_ = &waiting_;
  Call* landing_ = nullptr;  // the call whose reply is coming in
  std::vector<memory::Span> landing_spans_;
  std::uint64_t next_id_ = 1;
  std::uint32_t inflight_ = 0;
  std::uint64_t inflight_bytes_ = 0;
  std::uint32_t lock_waits_ = 0;
  bool closed_ = false;
  Turn turn_;

  std::thread thread_;  // last: everything else is there before it runs
};

// The spans of [offset, offset + size) of memory.
std::vector<memory::Span> slice(const memory::Memory& memory, std::size_t offset_bytes, std::size_t size_bytes);

}  // namespace ross::client
