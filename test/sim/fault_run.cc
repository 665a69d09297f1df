#include "fault_run.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "model/compare.h"
#include "twin.h"

namespace ross::sim {

namespace {

bool is_fault_error(int error) { return error == EIO || error == ENOSPC || error == EROFS; }

class FaultRun {
 public:
  FaultRun(const PoolImage& image, const Fault& fault, FaultCounts& counts)
      : fault_(fault), counts_(counts), world_(image, 4242) {}
  std::string all(const std::vector<Step>& steps);
  World& world() { return world_; }

 private:
  Status open();
  std::string prepare();
  std::string history(const std::vector<Step>& steps);
  std::string check_readable(const model::ModelState& state);
  std::string judge();
  void let_go();

  const Fault& fault_;
  FaultCounts& counts_;
  World world_;
  engine::PoolOptions options_;
  std::unique_ptr<engine::Pool> pool_;
  std::unique_ptr<fs::FileSystem> fs_;
  std::optional<Twin> twin_;
  std::vector<model::ModelState> candidates_;  // at the last acknowledged sync, and after each step since
};

Status FaultRun::open() {
  auto pool = world_.open_pool(options_);
  if (!pool) return pool.error();
  pool_ = std::move(*pool);
  auto container = pool_->open_container(kContainer);
  if (!container) {
    pool_.reset();
    return container.error();
  }
  fs_ = std::move(*container);
  return {};
}

void FaultRun::let_go() {
  twin_.reset();
  fs_.reset();
  pool_.reset();
}

// Makes the root everybody's, and closes the pool again: what follows opens it with the fault.
std::string FaultRun::prepare() {
  options_ = world_.options();
  options_.cache_bytes = 256 * kKiB;
  if (const Status opened = open(); !opened.ok()) return "a fresh pool does not open: " + opened.message();
  fs::SetAttr change;
  change.mode = 01777;
  const auto set = world_.loop().block_on(fs_->setattr(kRoot, fs::kRootNode, change));
  if (!set) return "the root takes no mode: " + set.error().message();
  fs_.reset();
  if (const Status closed = pool_->close(); !closed.ok()) return "a fresh pool does not close: " + closed.message();
  pool_.reset();
  model::ModelState state(world_.clock().realtime_ns());
  fs::Attr& root = state.edit(fs::kRootNode)->attr;
  const std::uint64_t size = root.size_bytes;
  root = *set;
  root.size_bytes = size;
  candidates_.push_back(std::move(state));
  return {};
}

// Whatever can be read is right.
std::string FaultRun::check_readable(const model::ModelState& state) {
  const auto different = world_.loop().block_on(model::difference(*fs_, state));
  if (!different) {
    ++counts_.unread;
    return is_fault_error(different.error().error()) ? "" : "reading fails oddly: " + different.error().message();
  }
  return *different;
}

std::string FaultRun::history(const std::vector<Step>& steps) {
  const auto begin = [&](model::ModelState state) -> std::string {
    twin_.emplace(world_.loop(), world_.clock(), std::move(state), *fs_);
    return twin_->match_nodes();
  };
  if (const std::string trouble = begin(candidates_.back()); !trouble.empty()) return {};  // the fault hit a lookup
  int errors = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const model::ModelState before = twin_->state();
    const Twin::Outcome outcome = twin_->run(steps[i]);
    if (outcome.difference.empty()) {
      if (outcome.durable) candidates_.clear();
      candidates_.push_back(twin_->state());
      continue;
    }
    if (!is_fault_error(outcome.error)) return fmt::format("step {}, {}: {}", i, outcome.what, outcome.difference);
    // The error says that nothing has changed: the model is taken back, and both go on from there.
    ++counts_.errors;
    (void)twin_->close_files();
    const model::ModelState after = twin_->state();
    const model::ModelState* now = &before;
    std::string trouble = check_readable(before);
    // A put is several calls: when the last of them, which makes it durable, fails, the object is there.
    if (!trouble.empty() && steps[i].verb == Verb::kPut && check_readable(after).empty()) {
      trouble.clear();
      now = &after;
      candidates_.push_back(after);
    }
    if (!trouble.empty()) return fmt::format("after the error of step {}, {}: {}", i, outcome.what, trouble);
    if (++errors == fault_.errors_max || !begin(*now).empty()) return {};
  }
  return {};
}

std::string FaultRun::judge() {
  std::string first_difference;
  for (const model::ModelState& candidate : candidates_) {
    const auto different = world_.loop().block_on(model::difference(*fs_, candidate));
    if (!different) {
      ++counts_.unread;
      if (fault_.lasting && is_fault_error(different.error().error())) return {};
      return "what was recovered cannot be read: " + different.error().message();
    }
    if (different->empty()) return {};
    if (first_difference.empty()) first_difference = *different;
  }
  return fmt::format(
      "opened again, it is the state after none of the {} steps since the last sync; from that sync it differs in: {}",
      candidates_.size(), first_difference);
}

std::string FaultRun::all(const std::vector<Step>& steps) {
  if (std::string trouble = prepare(); !trouble.empty()) return trouble;
  if (!fault_.late) fault_.inject(world_);
  if (const Status opened = open(); opened.ok()) {
    if (fault_.late) fault_.inject(world_);
    if (std::string trouble = history(steps); !trouble.empty()) return trouble;
  } else {
    ++counts_.open_failures;
    if (opened.message().empty()) return "the pool refuses to open without saying why";
  }
  if (twin_) (void)twin_->close_files();
  twin_.reset();
  fs_.reset();
  if (pool_ && pool_->close().ok()) candidates_.erase(candidates_.begin(), candidates_.end() - 1);
  let_go();
  world_.env().clear_failures();
  world_.env().set_space_bytes(std::nullopt);
  world_.cut_power();
  world_.restore_power();

  engine::FsckOptions fsck_options;
  fsck_options.data = true;
  const auto report = world_.fsck(options_, fsck_options);
  if (!report) return fault_.lasting ? "" : "fsck cannot run: " + report.error().message();
  if (!report->clean() && !fault_.lasting) {
    return "fsck: " + report->findings.front().where + ": " + report->findings.front().what;
  }
  if (const Status opened = open(); !opened.ok()) {
    return fault_.lasting ? "" : "the pool does not open again: " + opened.message();
  }
  std::string trouble = judge();
  let_go();
  return trouble;
}

}  // namespace

std::string fault_run(const PoolImage& image, const std::vector<Step>& steps, const Fault& fault, FaultCounts& counts) {
  ++counts.runs;
  FaultRun run(image, fault, counts);
  const std::string trouble = run.all(steps);
  return trouble.empty() ? "" : fault.name + ": " + trouble;
}

std::string measure_history(const PoolImage& image, const std::vector<Step>& steps, FaultSpace& space) {
  FaultCounts counts;
  FaultSpace begin;
  const auto look = [](World& world) {
    SimEnv& env = world.env();
    return FaultSpace{world.disk(0).requests(),
                      world.disk_writes(),
                      world.disk_flushes(),
                      env.operations(EnvOperation::kRead),
                      env.operations(EnvOperation::kChange),
                      env.operations(EnvOperation::kSync)};
  };
  const Fault none{"no fault", [&](World& world) { begin = look(world); }};
  FaultRun run(image, none, counts);
  if (std::string trouble = run.all(steps); !trouble.empty()) return trouble;
  const FaultSpace end = look(run.world());
  space = {end.requests - begin.requests,
           end.writes - begin.writes,
           end.flushes - begin.flushes,
           end.store_reads - begin.store_reads,
           end.store_changes - begin.store_changes,
           end.store_syncs - begin.store_syncs};
  return {};
}

}  // namespace ross::sim
