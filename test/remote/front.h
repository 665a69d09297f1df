// What stands between the clients of a test and its server, as a test program of this folder is linked: nothing (front_none.cc), or an
// agent, whose hosts do not reach the server (front_agent.cc), or do (front_agent_direct.cc).
//
// Threading: any thread.
#pragma once

#include <filesystem>
#include <memory>

#include "client/session.h"
#include "server/server.h"

namespace ross::front {

class Front {
 public:
  virtual ~Front() = default;
  // Whom clients ask for a session.
  virtual server::Server& server() = 0;
  // A session with it, before its first call.
  virtual void prepare(client::Session& session) { static_cast<void>(session); }
};

// Null: the server itself. directory: where sockets may be made, the front's alone. The server outlives the front.
Result<std::unique_ptr<Front>> make_front(server::Server& server, const std::filesystem::path& directory);

}  // namespace ross::front
