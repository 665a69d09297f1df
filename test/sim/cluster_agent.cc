#include "cluster_agent.h"

namespace ross::sim {

namespace {

constexpr const char* kAgent = "agent";
// For one try to begin a session at the engine.
constexpr std::int64_t kBeginNs = 8 * kSecond;

}  // namespace

ClusterAgent::ClusterAgent(Cluster& cluster, const std::set<std::string>& containers)
    : cluster_(cluster), control_(cluster, kAgent), nothing_(cluster.world().clock()) {
  Random& random = cluster_.random();
  if (random.chance(1, 4)) placement_ = server::Placement::kStaged;
  for (const std::string& name : containers) {
    if (random.chance(1, 8)) staged_containers_.insert(name);
  }
  static_cast<void>(fabric::sim::make_domain(cluster_.network(), kAgent));
}

ClusterAgent::~ClusterAgent() {
  if (up()) kill();
}

std::string ClusterAgent::start() {
  cluster_.network().restart(kAgent);
  std::vector<server::Listener> listeners(1);
  listeners[0] = {.domain = *fabric::sim::make_domain(cluster_.network(), kAgent), .address = control_.address()};
  server::ServerOptions options{.lease = std::chrono::milliseconds(kLeaseNs / kMs)};
  options.placement = placement_;
  options.staged_containers = staged_containers_;
  options.loop = &cluster_.loop();
  options.fill_random = [this](std::span<std::uint8_t> bytes) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(cluster_.random()());
  };
  options.upstream = [this, life = control_.life() + 1](const server::Applicant& applicant, server::Worker&) {
    return begin_upstream(applicant, life);
  };
  auto server = server::Server::start(nothing_, std::move(listeners), std::move(options));
  if (!server) return "the agent does not start: " + server.error().message();
  server_ = *std::move(server);
  control_.open(*server_);
  plugged_ = true;
  cluster_.tell("the agent is there, life {}", control_.life());
  return {};
}

void ClusterAgent::end() {
  control_.shut();
  staged_bytes_ += server_->moved().here;
  past_bytes_ += server_->moved().past;
  server_.reset();
  plugged_ = false;
}

void ClusterAgent::stop() {
  cluster_.tell("the agent stops");
  end();
}

void ClusterAgent::kill() {
  cluster_.tell("the agent is killed");
  ++kills_;
  plugged_ = false;
  cluster_.network().unplug(kAgent);
  end();
}

runtime::Task<ClusterAgent::Begun> ClusterAgent::begin_upstream(const server::Applicant& applicant,
                                                                std::uint64_t life) {
  const std::int64_t deadline_ns = cluster_.now_ns() + kBeginNs;
  server::Applicant relayed = applicant;
  relayed.relayed = true;
  const auto begun = co_await cluster_.control().ask(kAgent, relayed, deadline_ns);
  if (!lives(life)) co_return fail(ESHUTDOWN, "this agent is dead");
  if (!begun.has_value()) co_return fail(begun.error());
  auto domain = fabric::sim::make_domain(cluster_.network(), kAgent);
  if (!domain.has_value()) co_return fail(domain.error());
  const std::uint32_t generation = applicant.returning ? begun->generation + 1 : 0;
  auto session = co_await client::Session::connect_here(*std::move(domain), cluster_.control().address(), begun->token,
                                                        deadline_ns, generation);
  if (!session.has_value()) co_return fail(session.error());
  (*session)->relay(applicant.returning);
  relayed.returning = true;
  client::Recovery::Options options{.patience_ns = kPatienceNs, .quiet_ns = kQuietNs};
  options.loop = &cluster_.loop();
  const auto ask = [this, relayed, life](std::int64_t until_ns) { return come_back(relayed, life, until_ns); };
  if (Status outlives = (*session)->outlive(ask, options); !outlives.ok()) co_return fail(std::move(outlives));
  co_return *std::move(session);
}

runtime::Task<Result<client::Recovery::Found>> ClusterAgent::come_back(server::Applicant applicant, std::uint64_t life,
                                                                       std::int64_t deadline_ns) {
  if (!lives(life)) co_return fail(ESHUTDOWN, "this agent is dead");
  const auto begun = co_await cluster_.control().ask(kAgent, std::move(applicant), deadline_ns);
  if (!lives(life)) co_return fail(ESHUTDOWN, "this agent is dead");
  if (!begun.has_value()) co_return fail(begun.error());
  cluster_.tell("the agent {} for a client", begun->resumed ? "resumes" : "comes back");
  co_return client::Recovery::Found{
      .address = cluster_.control().address(), .token = begun->token, .resumed = begun->resumed};
}

}  // namespace ross::sim
