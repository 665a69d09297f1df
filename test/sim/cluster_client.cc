#include "cluster_client.h"

#include <fmt/format.h>

#include <algorithm>

namespace ross::sim {

namespace {

// Between an answer and the moment from which the server counts.
constexpr std::int64_t kSlackNs = kSecond / 2;
constexpr std::int64_t kConnectNs = 5 * kSecond;

}  // namespace

ClusterClient::ClusterClient(Cluster& cluster, ControlPlane& front, SharedWork& shared, unsigned number)
    : cluster_(cluster), front_(front), shared_(shared), host_(fmt::format("client{}", number)) {
  static_cast<void>(fabric::sim::make_domain(cluster_.network(), host_));
}

ClusterClient::~ClusterClient() {
  ROSS_CHECK(left_ || session_ == nullptr, "a client of a cluster goes without leaving");
}

server::Applicant ClusterClient::self(bool returning) const {
  return {.peer = {.pid = 0, .uid = 0, .gid = 0, .groups = {}}, .client = id_, .returning = returning};
}

void ClusterClient::run(runtime::Task<std::string> task) {
  ++under_way_;
  cluster_.loop().start(std::move(task), [this](const std::string& trouble) {
    --under_way_;
    if (trouble_.empty()) trouble_ = trouble;
  });
}

void ClusterClient::start() {
  cluster_.tell("{} starts", host_);
  run(attach());
}

void ClusterClient::kill() {
  cluster_.tell("{} is killed", host_);
  killed_ = true;
  cluster_.network().unplug(host_);
  shared_.left(*this);
}

void ClusterClient::heard() { heard_ns_ = cluster_.now_ns(); }

bool ClusterClient::may_be_given_up() const {
  return killed_ || lost_ || cluster_.power_cuts() != power_cuts_ ||
         cluster_.now_ns() - heard_ns_ >= std::min(kLeaseNs, kPatienceNs) - kSlackNs;
}

std::string ClusterClient::lost(const std::string& what) {
  if (may_be_given_up()) {
    if (!lost_) cluster_.tell("{} has lost its session", host_);
    lost_ = true;
    return {};
  }
  return fmt::format("{} is told after {} ms without an answer: {}", host_, (cluster_.now_ns() - heard_ns_) / kMs,
                     what);
}

// As long as there is nobody, it tries again.
runtime::Task<std::string> ClusterClient::attach() {
  runtime::Loop& loop = cluster_.loop();
  Status why;
  for (int tries = 0; session_ == nullptr; ++tries) {
    if (tries > 0) co_await loop.sleep_until(cluster_.now_ns() + 100 * kMs);
    if (killed_) co_return std::string();
    if (tries > 2000) co_return fmt::format("{} cannot attach: {}", host_, why.message());
    const std::int64_t deadline_ns = cluster_.now_ns() + kConnectNs;
    for (std::uint8_t& byte : id_) byte = static_cast<std::uint8_t>(cluster_.random()());
    const auto begun = co_await front_.ask(host_, self(false), deadline_ns);
    if (!begun.has_value()) {
      why = begun.error();
      continue;
    }
    power_cuts_ = cluster_.power_cuts();
    auto domain = fabric::sim::make_domain(cluster_.network(), host_);
    if (!domain.has_value()) co_return domain.error().message();
    auto session =
        co_await client::Session::connect_here(*std::move(domain), front_.address(), begun->token, deadline_ns);
    if (!session.has_value()) {
      why = session.error();
      continue;
    }
    session_ = *std::move(session);
  }
  heard();
  client::Recovery::Options options{.patience_ns = kPatienceNs, .quiet_ns = kQuietNs};
  options.loop = &loop;
  const Status outlives =
      session_->outlive([this](std::int64_t deadline_ns) { return come_back(deadline_ns); }, options);
  if (!outlives.ok()) co_return outlives.message();
  if (cluster_.random().chance(1, 2)) reach();
  for (const auto& worker : workers_) run(work(*worker));
  if (turns_ == 0) co_return std::string();
  auto opened = co_await client::open_container_here(session_, shared_.container());
  if (!opened.has_value()) {
    if (killed_ || !is_loss(opened.error().error())) co_return killed_ ? "" : opened.error().message();
    co_return lost("opening a container: " + opened.error().message());
  }
  open_.push_back(*std::move(opened));
  co_return co_await shared_.take_turns(*this, *open_.back(), turns_);
}

// Large data goes by a channel of its own, as past an agent, though there is none: what the three have to agree on is the same.
void ClusterClient::reach() {
  auto domain = fabric::sim::make_domain(cluster_.network(), host_);
  ROSS_CHECK(domain.has_value(), "a host of the simulated network has no domain");
  const std::shared_ptr<fabric::Domain> shared = *std::move(domain);
  const auto choose = [shared](const wire::Reach& told) -> Result<std::vector<client::ReachableBy>> {
    std::vector<client::ReachableBy> ways;
    for (const wire::Reach::Way& way : told.ways) {
      ways.push_back({.fabric = std::string(way.backend), .address = std::string(way.address), .domain = shared.get()});
    }
    return ways;
  };
  constexpr std::size_t kBytesMin[] = {0, 512, 4096};
  session_->reach({.choose = choose, .bytes_min = kBytesMin[cluster_.random().below(3)], .asks_always = true});
  cluster_.tell("{} has a way for data of its own", host_);
}

runtime::Task<std::string> ClusterClient::work(ClusterWorker& worker) {
  auto opened = co_await client::open_container_here(session_, worker.container());
  if (!opened.has_value()) {
    if (killed_) co_return std::string();
    if (is_loss(opened.error().error())) co_return lost("opening a container: " + opened.error().message());
    co_return fmt::format("{} does not open: {}", worker.container(), opened.error().message());
  }
  heard();
  fs::FileSystem& remote = *opened->get();
  open_.push_back(*std::move(opened));
  co_return co_await worker.work(*this, remote);
}

runtime::Task<Result<client::Recovery::Found>> ClusterClient::come_back(std::int64_t deadline_ns) {
  if (killed_) co_return fail(ESTALE, "this process is dead");
  const auto begun = co_await front_.ask(host_, self(true), deadline_ns);
  if (killed_) co_return fail(ESTALE, "this process is dead");
  if (!begun.has_value()) co_return fail(begun.error());
  // An agent takes it back whatever has become of the engine.
  if (&front_ == &cluster_.control()) power_cuts_ = cluster_.power_cuts();
  cluster_.tell("{} {}", host_, begun->resumed ? "resumes" : "comes back");
  co_return client::Recovery::Found{.address = front_.address(), .token = begun->token, .resumed = begun->resumed};
}

void ClusterClient::leave() {
  ROSS_CHECK(idle() && !left_, "a client of a cluster leaves while it works");
  shared_.left(*this);
  left_ = true;
  open_.clear();
  session_.reset();
  cluster_.tell("{} has left", host_);
}

std::string ClusterClient::doing() const {
  std::string all = host_ + (killed_ ? " (killed)" : lost_ ? " (lost)" : "") + ":";
  for (const auto& worker : workers_) {
    if (!worker->doing().empty()) all += " " + worker->container() + " " + worker->doing();
  }
  return all + fmt::format(" {} under way", under_way_);
}

}  // namespace ross::sim
