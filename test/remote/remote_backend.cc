// The file system conformance suite through client and server: on the model or the engine, over the transport and with the front
// that this program is linked with (transport_*.cc, front_*.cc).
#include <stdlib.h>

#include <filesystem>
#include <functional>

#include "base/random_bytes.h"
#include "base/units.h"
#include "client/remote_file_system.h"
#include "conformance/file_system/backend.h"
#include "engine/pool.h"
#include "front.h"
#include "model_pool.h"
#include "server/server.h"
#include "transport.h"

namespace ross::conformance {
namespace {

constexpr std::string_view kContainer = "suite";
constexpr std::int64_t kGreetingNs = 20'000'000'000;

runtime::Task<Result<client::Recovery::Found>> never_again(std::int64_t) {
  co_return fail(ESTALE, "the connection was lost, which nothing here does");
}

class RemoteInstance final : public Instance {
 public:
  using Open = std::function<Result<std::unique_ptr<engine::Pool>>(const std::filesystem::path& directory)>;

  ~RemoteInstance() override {
    if (const Status status = leave(); !status.ok()) {
      std::fprintf(stderr, "closing the pool failed: %s\n", status.message().c_str());
    }
    std::error_code ignored;
    if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
  }

  Status make(Open open, std::uint64_t quota_bytes, const std::function<Status(const std::filesystem::path&)>& create) {
    std::string pattern = (std::filesystem::temp_directory_path() / "ross-remote-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) return Status(errno, "cannot make a directory for the pool");
    directory_ = pattern;
    open_ = std::move(open);
    ROSS_STATUS(create(directory_ / "pool"));
    auto opened = open_(directory_ / "pool");
    if (!opened.has_value()) return std::move(opened).error();
    pool_ = *std::move(opened);
    ROSS_STATUS(pool_->create_container(kContainer, {.quota_bytes = quota_bytes}));
    return join();
  }
  fs::FileSystem& file_system() override { return *fs_; }
  Status restart() override {
    ROSS_STATUS(leave());
    auto opened = open_(directory_ / "pool");
    if (!opened.has_value()) return std::move(opened).error();
    pool_ = *std::move(opened);
    return join();
  }

 private:
  Status join() {
    auto domain = transport::make_domain();
    auto clients_domain = transport::make_domain();
    if (!domain.has_value()) return std::move(domain).error();
    if (!clients_domain.has_value()) return std::move(clients_domain).error();
    std::vector<server::Listener> listeners(1);
    listeners[0] = {.domain = *std::move(domain), .address = transport::listen_address(directory_)};
    auto server = server::Server::start(*pool_, std::move(listeners), {});
    if (!server.has_value()) return std::move(server).error();
    server_ = *std::move(server);
    auto front = front::make_front(*server_, directory_ / "front");
    if (!front.has_value()) return std::move(front).error();
    front_ = *std::move(front);
    server::Server& facing = front_ != nullptr ? front_->server() : *server_;
    // A client that names itself has slots for its changes, which an agent passes on.
    server::Applicant who{.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
    if (front_ != nullptr) fill_random(who.client);
    const auto begun = facing.begin_session(who);
    if (!begun.has_value()) return begun.error();
    auto session = client::Session::connect(*std::move(clients_domain), facing.addresses().at(0), begun->token,
                                            system_clock().monotonic_ns() + kGreetingNs);
    if (!session.has_value()) return std::move(session).error();
    if (front_ != nullptr) {
      front_->prepare(**session);
      ROSS_STATUS((*session)->outlive(never_again, {}));
    }
    auto opened = client::open_container(*std::move(session), kContainer);
    if (!opened.has_value()) return std::move(opened).error();
    fs_ = *std::move(opened);
    return {};
  }
  Status leave() {
    fs_.reset();
    front_.reset();
    if (server_ != nullptr) server_->finish();
    server_.reset();
    if (pool_ == nullptr) return {};
    Status status = pool_->close();
    pool_.reset();
    return status;
  }

  std::filesystem::path directory_;
  Open open_;
  std::unique_ptr<engine::Pool> pool_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<front::Front> front_;
  std::unique_ptr<fs::FileSystem> fs_;
};

#ifndef ROSS_REMOTE_ENGINE
Result<std::unique_ptr<Instance>> over_model(const InstanceOptions& options) {
  model::ModelOptions model_options;
  if (options.limit_bytes != 0) model_options.capacity_bytes = options.limit_bytes;
  auto instance = std::make_unique<RemoteInstance>();
  const auto open = [clock = options.clock, model_options](const std::filesystem::path&) {
    return Result<std::unique_ptr<engine::Pool>>(std::make_unique<remote_test::ModelPool>(*clock, model_options));
  };
  const Status status = instance->make(open, 0, [](const std::filesystem::path&) { return Status(); });
  if (!status.ok()) return fail(status);
  return instance;
}

#else
Result<std::unique_ptr<Instance>> over_engine(const InstanceOptions& options) {
  auto instance = std::make_unique<RemoteInstance>();
  engine::PoolOptions pool_options;
  pool_options.clock = options.clock;
  const auto open = [pool_options](const std::filesystem::path& directory) {
    return engine::Pool::open(directory, pool_options);
  };
  const auto create = [](const std::filesystem::path& directory) {
    engine::DeviceSpec device;
    device.size_bytes = 1 * kGiB;
    engine::PoolSpec spec;
    spec.devices.push_back(device);
    return engine::Pool::create(directory, spec);
  };
  const Status status = instance->make(open, options.limit_bytes, create);
  if (!status.ok()) return fail(status);
  return instance;
}
#endif

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{
#ifdef ROSS_REMOTE_ENGINE
      {.name = "remote_engine", .capabilities = {}, .make = over_engine},
#else
      {.name = "remote_model", .capabilities = {.restarts = false}, .make = over_model},
#endif
  };
  return all;
}

}  // namespace ross::conformance
