#include "cluster_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "base/units.h"
#include "cluster.h"
#include "cluster_agent.h"
#include "cluster_client.h"
#include "cluster_faults.h"
#include "engine/clients.h"
#include "fresh_thread.h"

namespace ross::sim {

namespace {

constexpr std::int64_t kStuckNs = 600 * kSecond;
constexpr unsigned kContainers = 12;

class ClusterRun {
 public:
  ClusterRun(const PoolImage& image, const ClusterOptions& options, ClusterCounts& counts)
      : options_(options),
        counts_(counts),
        cluster_(image, options.seed, options.verbose),
        shared_(cluster_),
        faults_(cluster_, counts) {}

  std::string all();

 private:
  std::string prepare();
  Result<model::ModelState> make_container(const std::string& name);
  std::string start_agent();
  void add_client();
  std::string live();
  std::string look_after_clients();
  std::string end_life();
  std::string judge();
  std::string check_space();
  std::string check_clean();
  void give_up();
  void count();
  [[nodiscard]] std::string trouble() const;

  const ClusterOptions options_;
  ClusterCounts& counts_;
  Cluster cluster_;
  std::optional<ClusterAgent> agent_;
  SharedWork shared_;
  ClusterFaults faults_;
  std::vector<std::unique_ptr<ClusterClient>> clients_;
  std::vector<model::ModelState> states_;  // of the containers, empty
  unsigned containers_used_ = 0;
  std::uint64_t free_at_first_ = 0;
};

// A container that all may write to, and what the model says of it.
Result<model::ModelState> ClusterRun::make_container(const std::string& name) {
  ROSS_OK(cluster_.pool().create_container(name, {}));
  ROSS_TRY(auto container, cluster_.pool().open_container(name));
  fs::SetAttr open_to_all;
  open_to_all.mode = 01777;
  ROSS_TRY(const fs::Attr set, cluster_.loop().block_on(container->setattr(kRoot, fs::kRootNode, open_to_all, {})));
  model::ModelState state(cluster_.world().clock().realtime_ns());
  model::Node* const root = state.edit(fs::kRootNode);
  const fs::Attr before = root->attr;
  root->attr = set;
  root->attr.node = before.node;
  root->attr.size_bytes = before.size_bytes;
  return state;
}

std::string ClusterRun::prepare() {
  if (std::string trouble = cluster_.start(); !trouble.empty()) return trouble;
  for (unsigned i = 0; i < kContainers; ++i) {
    auto made = make_container(fmt::format("c{}", i));
    if (!made) return made.error().message();
    states_.push_back(*std::move(made));
  }
  if (auto made = make_container(SharedWork::container()); !made) return made.error().message();
  runtime::Loop& loop = cluster_.loop();
  auto container = cluster_.pool().open_container(SharedWork::container());
  if (!container) return container.error().message();
  const auto file =
      loop.block_on((*container)->create(kRoot, fs::kRootNode, SharedWork::kCountFile, 0600, {.write = true}));
  if (!file) return file.error().message();
  static_cast<void>(loop.block_on((*container)->close(file->file)));
  container->reset();
  if (const Status synced = cluster_.pool().sync(); !synced.ok()) return synced.message();
  free_at_first_ = cluster_.pool().info().free_bytes;
  if (options_.agent) {
    if (std::string trouble = start_agent(); !trouble.empty()) return trouble;
  }
  for (std::uint64_t i = 1 + cluster_.random().below(3); i > 0; --i) add_client();
  faults_.draw(agent_.has_value() ? &*agent_ : nullptr);
  return {};
}

std::string ClusterRun::start_agent() {
  std::set<std::string> containers{SharedWork::container()};
  for (unsigned i = 0; i < kContainers; ++i) containers.insert(fmt::format("c{}", i));
  agent_.emplace(cluster_, containers);
  return agent_->start();
}

void ClusterRun::add_client() {
  ControlPlane& front = agent_.has_value() ? agent_->control() : cluster_.control();
  auto client = std::make_unique<ClusterClient>(cluster_, front, shared_, static_cast<unsigned>(clients_.size()));
  // Some are on another network than the engine, whatever they believe.
  if (agent_.has_value() && cluster_.random().chance(1, 6)) {
    cluster_.part(client->host(), cluster_.control().host(), 10 * kStuckNs);
  }
  const std::uint64_t workers = 1 + cluster_.random().below(3);
  for (std::uint64_t i = 0; i < workers && containers_used_ < kContainers; ++i) {
    const unsigned number = containers_used_++;
    std::vector<Step> steps = draw_history(options_.seed * 64 + number, {.steps_min = 10, .steps_max = 60});
    client->add(
        std::make_unique<ClusterWorker>(cluster_, fmt::format("c{}", number), states_[number], std::move(steps)));
  }
  client->set_turns(static_cast<unsigned>(cluster_.random().below(8)));
  client->start();
  clients_.push_back(std::move(client));
  ++counts_.clients;
}

std::string ClusterRun::trouble() const {
  for (const auto& client : clients_) {
    if (!client->trouble().empty()) return client->trouble();
  }
  return {};
}

// Who has nothing more to do leaves; in the place of one that was killed or lost comes another, now and then.
std::string ClusterRun::look_after_clients() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    ClusterClient& client = *clients_[i];
    if (client.has_left() || !client.idle()) continue;
    client.leave();
    counts_.clients_lost += client.is_lost() && !client.killed() ? 1 : 0;
    if ((client.killed() || client.is_lost()) && clients_.size() < 6 && cluster_.random().chance(2, 3)) add_client();
  }
  return trouble();
}

std::string ClusterRun::live() {
  const auto working = [this] { return std::ranges::any_of(clients_, [](const auto& c) { return !c->has_left(); }); };
  while (working()) {
    if (cluster_.now_ns() > kStuckNs) {
      std::string doing;
      for (const auto& client : clients_) doing += client->has_left() ? "" : client->doing() + "; ";
      return "something is stuck: " + doing;
    }
    cluster_.loop().wait(faults_.next_ns());
    if (std::string trouble = faults_.look(clients_); !trouble.empty()) return trouble;
    if (std::string trouble = look_after_clients(); !trouble.empty()) return trouble;
  }
  return {};
}

// All have left: the server must come to know it.
std::string ClusterRun::end_life() {
  if (cluster_.fell()) cluster_.clear_away();
  while (!cluster_.up()) {
    if (std::string trouble = cluster_.start(); !trouble.empty()) return trouble;
  }
  cluster_.calm();
  // An agent may be parted from its clients and from the engine, one after the other, and has a lease of its own.
  const std::int64_t until_ns = cluster_.now_ns() + (agent_.has_value() ? 7 : 3) * kLeaseNs;
  while (cluster_.now_ns() < until_ns) cluster_.loop().wait(until_ns);
  if (agent_.has_value() && agent_->up() && !agent_->server().peers().empty()) {
    return "the agent has sessions of clients that are gone";
  }
  if (!cluster_.server().peers().empty()) return "the server has sessions of clients that are gone";
  if (const auto known = cluster_.pool().clients()->list(); !known || !known->empty()) {
    return "the store knows clients that are gone";
  }
  if (const std::uint64_t windows = cluster_.network().counters().windows; windows != 0) {
    return fmt::format("{} windows are left", windows);
  }
  return {};
}

std::string ClusterRun::judge() {
  const auto look = [this](const std::string& name, auto&& judged) -> std::string {
    auto container = cluster_.pool().open_container(name);
    if (!container) return fmt::format("{} does not open: {}", name, container.error().message());
    std::string trouble = judged(**container);
    if (!trouble.empty()) return trouble;
    const Status removed = cluster_.loop().block_on(remove_below(**container, fs::kRootNode));
    return removed.ok() ? std::string() : fmt::format("{}: not everything can be removed: {}", name, removed.message());
  };
  for (const auto& client : clients_) {
    for (const auto& worker : client->workers()) {
      std::string trouble =
          look(worker->container(), [&](fs::FileSystem& container) { return worker->judge(container); });
      if (!trouble.empty()) return trouble;
      counts_.undecided += worker->undecided() ? 1 : 0;
    }
  }
  return look(SharedWork::container(), [this](fs::FileSystem& container) { return shared_.judge(container); });
}

std::string ClusterRun::check_space() {
  for (int i = 0; i < 3; ++i) {
    if (const Status synced = cluster_.pool().sync(); !synced.ok()) return "sync: " + synced.message();
  }
  const std::uint64_t free = cluster_.pool().info().free_bytes;
  // The file that counted is gone as well, and held at most a block at first.
  if (free >= free_at_first_ && free <= free_at_first_ + 8192) return {};
  std::string trouble = fmt::format("{} bytes are free when all is removed, {} were at first", free, free_at_first_);
  if (const std::string stopped = cluster_.stop(); !stopped.empty()) return trouble + "; " + stopped;
  const std::string found = check_clean();
  return trouble + (found.empty() ? "" : "; " + found);
}

std::string ClusterRun::check_clean() {
  engine::FsckOptions options;
  options.data = cluster_.random().chance(1, 4);
  const auto report = cluster_.world().fsck(cluster_.world().options(), options);
  if (!report) return "fsck cannot run: " + report.error().message();
  if (report->clean()) return {};
  const engine::FsckFinding& first = report->findings.front();
  return fmt::format("fsck has {} findings, the first: {}: {}", report->findings_total, first.where, first.what);
}

// Something is wrong: all that is still under way ends somehow.
void ClusterRun::give_up() {
  for (const auto& client : clients_) {
    if (!client->has_left() && !client->killed()) client->kill();
  }
  const std::int64_t until_ns = cluster_.now_ns() + kStuckNs;
  const auto busy = [this] {
    return std::ranges::any_of(clients_, [](const auto& client) { return !client->idle(); });
  };
  while (busy() && cluster_.now_ns() < until_ns) {
    cluster_.loop().wait(until_ns);
    if (cluster_.fell()) cluster_.clear_away();
  }
  ROSS_CHECK(!busy(), "calls of a client that was killed never end");
  for (const auto& client : clients_) {
    if (!client->has_left()) client->leave();
  }
}

void ClusterRun::count() {
  for (const auto& client : clients_) {
    for (const auto& worker : client->workers()) counts_.steps += worker->steps_done();
  }
  const fabric::sim::Counters& network = cluster_.network().counters();
  counts_.turns += shared_.turns();
  counts_.races += shared_.races();
  counts_.kills += cluster_.kills();
  counts_.power_cuts += cluster_.power_cuts();
  counts_.cuts += network.cuts;
  counts_.partitions += network.partitions;
  counts_.messages += network.messages;
  if (agent_.has_value()) {
    if (agent_->up()) agent_->stop();
    counts_.agent_kills += agent_->kills();
    counts_.staged_bytes += agent_->staged_bytes();
    counts_.past_bytes += agent_->past_bytes();
  }
  counts_.skipped_here += cluster_.skipped_here();
  counts_.skipped_across += cluster_.skipped_across();
  counts_.seconds += static_cast<std::uint64_t>(cluster_.now_ns() / kSecond);
  cluster_.tell("the end");
  counts_.digest = counts_.digest * 31 + cluster_.digest();
}

std::string ClusterRun::all() {
  std::string trouble = prepare();
  if (trouble.empty()) trouble = live();
  if (!trouble.empty()) give_up();
  if (trouble.empty()) trouble = end_life();
  if (trouble.empty()) trouble = judge();
  if (trouble.empty()) trouble = check_space();
  count();
  if (trouble.empty()) trouble = cluster_.stop();
  if (trouble.empty()) trouble = check_clean();
  return trouble;
}

}  // namespace

std::string cluster_run(const PoolImage& image, const ClusterOptions& options, ClusterCounts& counts) {
  ++counts.runs;
  std::string trouble;
  run_in_fresh_thread([&] { trouble = ClusterRun(image, options, counts).all(); });
  return trouble;
}

}  // namespace ross::sim
