// The file system conformance suite over the simulated network: client and server on one loop, in simulated time, links that delay
// so that messages, transfers and ends overtake each other. On the model; test/sim has the engine, and everything that goes wrong.
#include <unistd.h>

#include <array>

#include "base/clock.h"
#include "client/remote_file_system.h"
#include "conformance/file_system/backend.h"
#include "fabric/sim/network.h"
#include "model_pool.h"
#include "server/server.h"

namespace ross::conformance {
namespace {

constexpr std::string_view kContainer = "suite";
constexpr std::int64_t kGreetingNs = 20'000'000'000;

class SimInstance final : public Instance {
 public:
  SimInstance(Clock& clock, const model::ModelOptions& model, const fabric::sim::NetworkOptions& network)
      : pool_(clock, model), network_(network_clock_, network) {}
  ~SimInstance() override { static_cast<void>(restart()); }
  fs::FileSystem& file_system() override { return *fs_; }
  runtime::Loop* loop() override { return loop_.get(); }
  // Of what it is made of nothing would be there again; it only ends.
  Status restart() override {
    fs_.reset();
    session_.reset();
    server_.reset();
    return Status(ENOTSUP);
  }
  Status make() {
    ROSS_STATUS(pool_.create_container(kContainer, {}));
    auto made = runtime::Loop::create({.clock = &network_clock_});
    if (!made.has_value()) return made.error();
    loop_ = *std::move(made);
    auto domain = fabric::sim::make_domain(network_, "engine");
    if (!domain.has_value()) return domain.error();
    std::vector<server::Listener> listeners(1);
    listeners[0] = {.domain = *std::move(domain), .address = "engine:1"};
    server::ServerOptions options;
    options.loop = loop_.get();
    auto server = server::Server::start(pool_, std::move(listeners), std::move(options));
    if (!server.has_value()) return server.error();
    server_ = *std::move(server);
    return loop_->block_on(attach());
  }

 private:
  runtime::Task<Status> attach() {
    const server::Applicant self{.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
    const auto begun = co_await server_->begin(self);
    if (!begun.has_value()) co_return begun.error();
    auto session = co_await client::Session::connect_here(*fabric::sim::make_domain(network_, "client"), "engine:1",
                                                          begun->token, network_clock_.monotonic_ns() + kGreetingNs);
    if (!session.has_value()) co_return session.error();
    session_ = *std::move(session);
    auto opened = co_await client::open_container_here(session_, std::string(kContainer));
    if (!opened.has_value()) co_return opened.error();
    fs_ = *std::move(opened);
    co_return Status();
  }

  SimClock network_clock_;
  remote_test::ModelPool pool_;
  fabric::sim::Network network_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<server::Server> server_;
  std::shared_ptr<client::Session> session_;
  std::unique_ptr<fs::FileSystem> fs_;
};

// inline_bytes_max: beyond it data travels by windows.
template <std::size_t inline_bytes_max>
Result<std::unique_ptr<Instance>> make(const InstanceOptions& options) {
  static std::uint64_t seed = 1;
  model::ModelOptions model;
  if (options.limit_bytes != 0) model.capacity_bytes = options.limit_bytes;
  fabric::sim::NetworkOptions network{.seed = ++seed};
  network.inline_bytes_max = inline_bytes_max;
  auto instance = std::make_unique<SimInstance>(*options.clock, model, network);
  if (const Status status = instance->make(); !status.ok()) return fail(status);
  return instance;
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{
      {.name = "remote_sim", .capabilities = {.restarts = false, .threads = false}, .make = make<8192>},
      {.name = "remote_sim_windows", .capabilities = {.restarts = false, .threads = false}, .make = make<64>},
  };
  return all;
}

}  // namespace ross::conformance
