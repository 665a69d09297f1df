#include "cluster_worker.h"

#include <fmt/format.h>

#include "cluster_client.h"
#include "model/compare.h"

namespace ross::sim {

namespace {

bool changes_nothing(Verb verb) {
  switch (verb) {
    case Verb::kReadlink:
    case Verb::kLookup:
    case Verb::kReaddir:
    case Verb::kGetattr:
    case Verb::kAccess:
    case Verb::kGetxattr:
    case Verb::kListxattr:
    case Verb::kClose:
    case Verb::kRead:
    case Verb::kSeek:
    case Verb::kGet:
    case Verb::kFsync:
    case Verb::kSync:
    case Verb::kTick:
      return true;
    default:
      return false;
  }
}

}  // namespace

ClusterWorker::ClusterWorker(Cluster& cluster, std::string container, model::ModelState state, std::vector<Step> steps)
    : cluster_(cluster), container_(std::move(container)), steps_(std::move(steps)) {
  states_.push_back({std::move(state), "nothing"});
}

runtime::Task<std::string> ClusterWorker::work(ClusterClient& client, fs::FileSystem& remote) {
  runtime::Loop& loop = cluster_.loop();
  power_cuts_ = cluster_.power_cuts();
  twin_.emplace(loop, clock_, states_.front().model, remote,
                Twin::Options{.times = false, .oddities = false, .before_tested = [this] { called_ = true; }});
  for (const Step& step : steps_) {
    const auto thinks_ns =
        static_cast<std::int64_t>(cluster_.random().below(cluster_.random().chance(1, 8) ? 50 * kMs : 200'000));
    co_await loop.sleep_until(cluster_.now_ns() + thinks_ns);
    if (client.killed() || cluster_.power_cuts() != power_cuts_) break;
    doing_ = std::string(verb_name(step.verb));
    const Twin::Outcome outcome = co_await twin_->play(step);
    doing_.clear();
    cluster_.tell("{}: {}", container_, outcome.what);
    states_.push_back({twin_->state(), outcome.what});
    // Who has gone may have an agent that asks for it once more, and makes the change on what the power cut left.
    const bool gone = client.killed() || client.is_loss(outcome.error);
    if (gone) undecided_ = cluster_.power_cuts() != power_cuts_ && !changes_nothing(step.verb);
    if (client.killed()) co_return std::string();
    if (gone) co_return client.lost(outcome.what);
    if (std::exchange(called_, false)) client.heard();
    if (cluster_.power_cuts() != power_cuts_) {
      undecided_ = outcome.error == 0 && !changes_nothing(step.verb);
      co_return std::string();
    }
    if (!outcome.difference.empty()) co_return fmt::format("{}: {}: {}", container_, outcome.what, outcome.difference);
    if (outcome.durable) synced_ = states_.size() - 1;
  }
  all_answered_ = true;
  doing_ = "closing";
  std::string trouble;
  if (!client.killed()) trouble = co_await twin_->close_all();
  doing_.clear();
  if (trouble.empty() || client.killed() || cluster_.power_cuts() != power_cuts_) co_return std::string();
  if (client.may_be_given_up()) co_return client.lost(trouble);
  co_return fmt::format("{}: {}", container_, trouble);
}

std::string ClusterWorker::judge(fs::FileSystem& container) {
  const std::size_t last = states_.size() - 1;
  std::size_t first = all_answered_ || last == 0 ? last : last - 1;
  if (cluster_.power_cuts() != power_cuts_) first = synced_;
  std::string first_difference;
  for (std::size_t at = last + 1; at-- > first;) {
    const auto different = cluster_.loop().block_on(model::difference(container, states_[at].model, {.times = false}));
    if (!different) return fmt::format("{} cannot be read: {}", container_, different.error().message());
    if (different->empty()) return {};
    cluster_.tell("{}: not the state after {} ({}): {}", container_, at, states_[at].after, *different);
    if (first_difference.empty()) first_difference = *different;
  }
  if (undecided_) return {};
  return fmt::format("{} is as after none of steps {} to {}; from the last it differs in: {}", container_, first, last,
                     first_difference);
}

}  // namespace ross::sim
