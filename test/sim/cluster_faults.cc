#include "cluster_faults.h"

#include <algorithm>

namespace ross::sim {

namespace {
constexpr std::uint64_t kFaultsMax = 8;
constexpr std::int64_t kCommitNs = kSecond;
}  // namespace

void ClusterFaults::draw(ClusterAgent* agent) {
  agent_ = agent;
  left_ = cluster_.random().chance(1, 16) ? 0 : 1 + cluster_.random().below(kFaultsMax);
  next_fault_ns_ = cluster_.now_ns() + soon_ns();
  commit_ns_ = cluster_.now_ns() + kCommitNs;
}

std::int64_t ClusterFaults::soon_ns() {
  constexpr std::int64_t kLongest[] = {2 * kMs,  5 * kMs,   20 * kMs,    20 * kMs,    50 * kMs,
                                       50 * kMs, 500 * kMs, 5 * kSecond, 30 * kSecond};
  const std::int64_t longest = kLongest[cluster_.random().below(std::size(kLongest))];
  return static_cast<std::int64_t>(cluster_.random().below(static_cast<std::uint64_t>(longest)));
}

std::int64_t ClusterFaults::next_ns() const {
  return std::min({next_fault_ns_, start_ns_, agent_start_ns_, commit_ns_});
}

// Of something that is down now.
std::int64_t ClusterFaults::start_time_ns() {
  Random& random = cluster_.random();
  const std::uint64_t longest_ms = random.chance(1, 12) ? 60'000 : random.chance(1, 3) ? 10'000 : 500;
  return cluster_.now_ns() + static_cast<std::int64_t>(random.below(longest_ms)) * kMs;
}

ClusterClient* ClusterFaults::pick(const Clients& clients) {
  std::vector<ClusterClient*> there;
  for (const auto& client : clients) {
    if (!client->killed() && !client->has_left()) there.push_back(client.get());
  }
  return there.empty() ? nullptr : there[cluster_.random().below(there.size())];
}

// Now and then the clients lose their power as well.
void ClusterFaults::end_engine(Cluster::End how, const Clients& clients) {
  Random& random = cluster_.random();
  const bool all = random.chance(1, how == Cluster::End::kKill ? 8 : 2);
  if (random.chance(1, 2)) {
    cluster_.crash(how);
  } else {
    const auto where = random.chance(1, 3) ? World::Where::kDevices : World::Where::kStore;
    cluster_.crash_at(how, where, 1 + random.below(20));
    ++counts_.by_itself;
  }
  if (all) kill_some(clients);
}

void ClusterFaults::kill_some(const Clients& clients) {
  for (const auto& client : clients) {
    if (!client->killed() && !client->has_left()) client->kill();
  }
}

void ClusterFaults::happen(const Clients& clients) {
  Random& random = cluster_.random();
  ClusterClient* const one = pick(clients);
  if (one == nullptr) return;
  if (agent_ != nullptr && random.chance(1, 2)) return happen_to_agent(clients, *one);
  const std::uint64_t die = random.below(24);
  const auto up_to = [&random](std::int64_t ns) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(ns)));
  };
  if (die < 4) {
    cluster_.tell("{} is cut", one->host());
    cluster_.network().cut(one->host(), front());
  } else if (die < 8) {
    const std::int64_t for_ns = up_to(random.chance(1, 2) ? kSecond : 14 * kSecond);
    cluster_.tell("{} is parted for {} ms", one->host(), for_ns / kMs);
    cluster_.part(one->host(), front(), for_ns);
    if (random.chance(1, 2)) cluster_.network().cut(one->host(), front());
  } else if (die < 10) {
    cluster_.tell("{} is parted for long", one->host());
    cluster_.network().cut(one->host(), front());
    cluster_.part(one->host(), front(), 15 * kSecond + up_to(40 * kSecond));
  } else if (die < 11) {
    const std::int64_t for_ns = up_to(3 * kSecond);
    cluster_.tell("all are parted for {} ms", for_ns / kMs);
    for (const auto& client : clients) {
      if (!client->killed() && !client->has_left()) cluster_.part(client->host(), front(), for_ns);
    }
  } else if (die < 14) {
    one->kill();
    ++counts_.clients_killed;
  } else if (cluster_.up() && die < 20) {
    end_engine(Cluster::End::kKill, clients);
  } else if (cluster_.up() && die < 23) {
    end_engine(Cluster::End::kPowerCut, clients);
  } else if (cluster_.up()) {
    ++counts_.stops;
    static_cast<void>(cluster_.stop());
  }
}

void ClusterFaults::disturb(const std::string& host, const std::string& other) {
  Random& random = cluster_.random();
  const bool parts = random.chance(2, 3);
  constexpr std::int64_t kLongest[] = {kSecond, 14 * kSecond, 40 * kSecond};
  const auto longest = static_cast<std::uint64_t>(kLongest[random.below(std::size(kLongest))]);
  const auto for_ns = static_cast<std::int64_t>(random.below(longest));
  cluster_.tell("{} and {} are {} for {} ms", host, other, parts ? "parted" : "cut", parts ? for_ns / kMs : 0);
  if (parts) cluster_.part(host, other, for_ns);
  if (!parts || random.chance(1, 2)) cluster_.network().cut(host, other);
}

void ClusterFaults::happen_to_agent(const Clients& clients, ClusterClient& one) {
  Random& random = cluster_.random();
  const std::string& engine = cluster_.control().host();
  const std::uint64_t die = random.below(16);
  if (die < 5) {
    disturb(agent_->control().host(), engine);
  } else if (die < 8) {
    disturb(one.host(), engine);
  } else if (agent_->up() && die < 14) {
    end_agent(clients);
  } else if (agent_->up()) {
    ++counts_.agent_stops;
    agent_->stop();
  }
}

// At times the engine's machine or the clients go as well, before or after.
void ClusterFaults::end_agent(const Clients& clients) {
  Random& random = cluster_.random();
  const std::uint64_t die = random.below(16);
  const auto how = die % 2 == 0 ? Cluster::End::kKill : Cluster::End::kPowerCut;
  if (die < 2 && cluster_.up()) end_engine(how, clients);
  agent_->kill();
  if (die >= 2 && die < 4 && cluster_.up()) end_engine(how, clients);
  if (die == 4) kill_some(clients);
}

// Somebody is back when the lease that an engine gives its clients of before is nearly over, and asks for what it had across its end.
void ClusterFaults::keep_away(const Clients& clients) {
  ClusterClient* const one = pick(clients);
  if (one == nullptr) return;
  cluster_.tell("{} is parted for a lease", one->host());
  cluster_.part(one->host(), front(), kLeaseNs - static_cast<std::int64_t>(cluster_.random().below(30 * kMs)));
}

std::string ClusterFaults::look_after_engine(const Clients& clients) {
  if (cluster_.fell()) cluster_.clear_away();
  if (!cluster_.up() && start_ns_ == INT64_MAX) start_ns_ = start_time_ns();
  if (cluster_.up() || cluster_.now_ns() < start_ns_) return {};
  start_ns_ = INT64_MAX;
  // Sometimes the end comes again while the pool is opened.
  if (std::string trouble = cluster_.start(); !trouble.empty()) return trouble;
  if (cluster_.random().chance(1, 6)) {
    const auto how = cluster_.random().chance(2, 3) ? Cluster::End::kKill : Cluster::End::kPowerCut;
    cluster_.crash_at(how, World::Where::kStore, 1 + cluster_.random().below(30));
    ++counts_.by_itself;
  }
  if (cluster_.random().chance(1, 10)) keep_away(clients);
  return {};
}

std::string ClusterFaults::look_after_agent() {
  if (!agent_->up() && agent_start_ns_ == INT64_MAX) agent_start_ns_ = start_time_ns();
  if (agent_->up() || cluster_.now_ns() < agent_start_ns_) return {};
  agent_start_ns_ = INT64_MAX;
  return agent_->start();
}

std::string ClusterFaults::look(const Clients& clients) {
  if (cluster_.now_ns() >= next_fault_ns_) {
    next_fault_ns_ = INT64_MAX;
    if (left_ > 0) {
      --left_;
      next_fault_ns_ = cluster_.now_ns() + soon_ns();
      happen(clients);
    }
  }
  if (std::string trouble = look_after_engine(clients); !trouble.empty()) return trouble;
  if (agent_ != nullptr) {
    if (std::string trouble = look_after_agent(); !trouble.empty()) return trouble;
  }
  if (cluster_.now_ns() >= commit_ns_) {
    commit_ns_ = cluster_.now_ns() + kCommitNs;
    if (cluster_.up()) {
      const Status synced = cluster_.pool().sync();
      if (!synced.ok() && cluster_.up()) return "the commit fails: " + synced.message();
    }
  }
  return {};
}

}  // namespace ross::sim
