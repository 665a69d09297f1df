#include "agent_server.h"
#include "front.h"
#include "reaching.h"
#include "transport.h"

namespace ross::front {
namespace {

constexpr std::size_t kDirectBytesMin = 64;

class AgentFront final : public Front {
 public:
  explicit AgentFront(server::Server& engine) { place_.set(&engine); }
  Status start(const std::filesystem::path& directory) {
    std::filesystem::create_directory(directory);
    std::vector<server::Listener> listeners(1);
    auto domain = transport::make_domain();
    if (!domain.has_value()) return std::move(domain).error();
    listeners[0] = {.domain = *std::move(domain), .address = transport::listen_address(directory)};
    auto server = server::Server::start(nothing_, std::move(listeners),
                                        {.upstream = remote_test::upstream_to(place_, transport::make_domain)});
    if (!server.has_value()) return std::move(server).error();
    server_ = *std::move(server);
    return {};
  }
  server::Server& server() override { return *server_; }
  void prepare(client::Session& session) override {
    session.reach(remote_test::reaching_by(transport::make_domain, kDirectBytesMin));
  }

 private:
  remote_test::EnginePlace place_;
  remote_test::ModelPool nothing_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

Result<std::unique_ptr<Front>> make_front(server::Server& server, const std::filesystem::path& directory) {
  auto front = std::make_unique<AgentFront>(server);
  ROSS_OK(front->start(directory));
  return front;
}

}  // namespace ross::front
