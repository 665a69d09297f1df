// connect: a pool that a ross-engine (or agent) serves, by whichever fabric both ends have.
//
// Threading: any thread; blocks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attach/attach.h"
#include "client/control.h"
#include "client/recovery.h"
#include "client/session.h"
#include "engine/pool.h"

namespace ross::attach {

inline constexpr std::int64_t kConnectNs = 20'000'000'000;

struct ConnectOptions {
  client::ClientTls tls = client::tls_from_environment();
  bool outlives = true;  // the session outlives its connections; otherwise calls end with them
};

// url is one of scheme "ross". The fabric is the URL's, or ROSS_FABRIC's, or the best of both ends: RDMA, memory of the same machine,
// sockets. Errors: those of client::begin_session; EINVAL or ENOTSUP for a fabric that cannot be had, with what the server has.
Result<std::unique_ptr<engine::Pool>> connect(const Url& url, const ConnectOptions& options);

// The parts of it, for who connects sessions by himself.
struct Way {
  std::string fabric;
  std::string address;
};
struct Offer {
  client::Grant grant;
  std::vector<Way> ways;             // to the session, best first; at least one
  std::vector<std::string> reasons;  // why others are none
};
// A session is begun. Errors: those of connect().
Result<Offer> ask(const Url& url, const client::Client& self, const client::ClientTls& tls, std::int64_t deadline_ns);
// What connect() says when no way led there.
Status unreachable(const Url& url, const std::vector<std::string>& reasons);
// The session itself.
struct Connected {
  std::unique_ptr<client::Session> session;
  Way way;
  std::string server;  // name and version
};
Result<Connected> connect_session(const Url& url, const ConnectOptions& options);
// How a session gets back to its pool by the same fabric.
client::Recovery::Ask asking_again(const Url& url, std::string fabric, client::Client self, client::ClientTls tls);

}  // namespace ross::attach
