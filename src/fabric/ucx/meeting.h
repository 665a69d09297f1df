// Meeting: how two links of different endpoints find each other, over what the transport has for it.
//
// by_socket_address.cc: UCX's listener and its connections by socket address; the ends then greet each other with the first
// active messages. locally.cc: shared memory has no such thing; a Unix socket carries both greetings and the addresses of
// two workers made for this link alone, and stays open: it breaks when the process at the other end ends, or cuts the link.
// An end breaks it before it tells its users that their memory is theirs again, and one that has copied out of the other's
// memory looks at it before it believes what it has: the kernel copies for as long as there is a process, and knows no more.
//
// Whoever connects and says nothing is let go after kGreetNs, and more than kMeetingsMax at once are refused.
// Ownership: the endpoint owns its meeting, workers and links. Threading: owner thread.
#pragma once

#include <ucp/api/ucp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "fabric/local/socket.h"
#include "fabric/ucx/link.h"
#include "fabric/ucx/worker.h"

namespace ross::fabric::ucx {

inline constexpr std::int64_t kGreetNs = 10'000'000'000;
inline constexpr std::size_t kMeetingsMax = 1024;

// A descriptor in the endpoint's epoll.
class Watched {
 public:
  virtual void ready() = 0;

 protected:
  ~Watched() = default;
};

// What the endpoint does for its meeting.
class MeetingHost {
 public:
  virtual Result<Worker*> add_worker() = 0;
  // A link in State::kMeeting. It is cut by not_met(), or by the endpoint at its deadline.
  virtual Result<Link*> add_link(Worker& worker) = 0;
  virtual Status watch(int fd, Watched& watched) = 0;
  virtual void met(Link& link) = 0;
  virtual void not_met(Link& link, const Status& why) = 0;
  [[nodiscard]] virtual std::int64_t now_ns() const = 0;

 protected:
  ~MeetingHost() = default;
};

class Meeting {
 public:
  virtual ~Meeting() = default;
  // Returns the address that others connect to.
  virtual Result<std::string> listen(const std::string& where) = 0;
  virtual Result<Link*> connect(std::string_view address) = 0;
  virtual void take_hello(const Event& event, const Hello& hello) = 0;
  // A connection request.
  virtual void take_asked(void* request) = 0;
  virtual void refuse_asked(void* request) = 0;
  // The link is cut: what the meeting has of it goes, and the other end can tell.
  virtual void forget(Link& link) = 0;
  // Whether the other end has not cut the link, and not ended, until now. Where UCX itself knows: true.
  [[nodiscard]] virtual bool is_there(const Link& link) const = 0;
  // Whether each link has a worker of its own, and sockets bring them about.
  [[nodiscard]] virtual bool has_sockets() const = 0;
};

Result<std::unique_ptr<Meeting>> meet_by_socket_address(MeetingHost& host);
Result<std::unique_ptr<Meeting>> meet_locally(MeetingHost& host);

// A UCX endpoint's parameters that all have: failures of the peer become events of link.
ucp_ep_params_t endpoint_parameters(Link& link);

}  // namespace ross::fabric::ucx
