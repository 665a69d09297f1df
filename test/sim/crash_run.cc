#include "crash_run.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "model/compare.h"
#include "twin.h"

namespace ross::sim {

namespace {

using Clock = std::chrono::steady_clock;

// Adds the time of a scope to a counter.
class Stopwatch {
 public:
  explicit Stopwatch(std::chrono::nanoseconds& total) : total_(total) {}
  ~Stopwatch() { total_ += Clock::now() - began_; }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  std::chrono::nanoseconds& total_;
  const Clock::time_point began_ = Clock::now();
};

class CrashRun {
 public:
  CrashRun(const PoolImage& image, std::uint64_t seed, const CrashOptions& options, CrashCounts& counts)
      : options_(options), counts_(counts), random_(seed ^ 0x5eedc0de), world_(image, seed) {}

  std::string all(const std::vector<Step>& steps);

 private:
  std::string open();
  std::string prepare();
  std::string first_part(const std::vector<Step>& steps);
  std::string recover();
  std::string judge();
  std::string second_part(const std::vector<Step>& steps);
  std::string check_space();
  std::string check_fsck(bool data);
  void tell(std::string_view text) const {
    if (options_.verbose) std::fprintf(stderr, "  %.*s\n", static_cast<int>(text.size()), text.data());
  }

  const CrashOptions& options_;
  CrashCounts& counts_;
  Random random_;
  World world_;
  engine::PoolOptions pool_options_;
  std::unique_ptr<engine::Pool> pool_;
  std::unique_ptr<fs::FileSystem> fs_;
  std::optional<Twin> twin_;
  std::uint64_t free_at_first_ = 0;
  // What the model was at the last acknowledged sync, and after each step since.
  std::vector<model::ModelState> candidates_;
  std::vector<std::string> steps_since_;
  std::size_t found_ = 0;  // which of them was recovered
};

std::string CrashRun::open() {
  auto pool = world_.open_pool(pool_options_);
  if (!pool) return "the pool does not open: " + pool.error().message();
  pool_ = std::move(*pool);
  auto container = pool_->open_container(kContainer);
  if (!container) return "the container does not open: " + container.error().message();
  fs_ = std::move(*container);
  return {};
}

std::string CrashRun::prepare() {
  pool_options_ = world_.options();
  constexpr std::uint64_t kTinyCacheBytes = 256 * kKiB;
  pool_options_.cache_bytes = random_.chance(1, 2) ? kTinyCacheBytes : 4 * kMiB;
  {
    const Stopwatch time(counts_.open);
    if (std::string trouble = open(); !trouble.empty()) return trouble;
  }
  const auto statfs = world_.loop().block_on(fs_->statfs());
  if (!statfs) return "statfs fails: " + statfs.error().message();
  free_at_first_ = statfs->free_bytes;
  // The root belongs to everybody, as /tmp does; its times are the pool's own, made by another clock.
  fs::SetAttr open_to_all;
  open_to_all.mode = 01777;
  const auto set = world_.loop().block_on(fs_->setattr(kRoot, fs::kRootNode, open_to_all));
  if (!set) return "the root takes no mode: " + set.error().message();
  if (const Status synced = world_.loop().block_on(fs_->sync()); !synced.ok()) return "sync fails: " + synced.message();
  model::ModelState state(world_.clock().realtime_ns());
  model::Node* const root = state.edit(fs::kRootNode);
  const fs::NodeId node = root->attr.node;
  const std::uint64_t size = root->attr.size_bytes;
  root->attr = *set;
  root->attr.node = node;
  root->attr.size_bytes = size;
  candidates_.push_back(state);
  twin_.emplace(world_.loop(), world_.clock(), std::move(state), *fs_);
  return {};
}

std::string CrashRun::first_part(const std::vector<Step>& steps) {
  const Stopwatch time(counts_.run);
  // About as many things as are asked of the store and of the devices: so that most cuts fall inside.
  std::uint64_t syncs = 0;
  for (const Step& step : steps)
    syncs += step.verb == Verb::kFsync || step.verb == Verb::kSync || step.verb == Verb::kPut;
  const std::uint64_t reach = 1 + syncs * 3 / 2;
  const std::uint64_t how = random_.below(5);
  std::size_t stop_at = steps.size();
  if (how == 0) {
    stop_at = random_.below(steps.size() + 1);
  } else if (how <= 2) {
    world_.cut_power_at(World::Where::kDevices, 1 + random_.below(reach));
  } else {
    world_.cut_power_at(World::Where::kStore, 1 + random_.below(reach));
  }
  for (std::size_t i = 0; i < stop_at; ++i) {
    const Twin::Outcome outcome = twin_->run(steps[i]);
    ++counts_.steps;
    tell(fmt::format("{}: {}{}", i, outcome.what, world_.powered() ? "" : "   (the power went)"));
    if (world_.powered() && !outcome.difference.empty()) {
      return fmt::format("step {}, {}: {}", i, outcome.what, outcome.difference);
    }
    if (world_.powered() && outcome.durable) {
      candidates_.clear();
      steps_since_.clear();
    }
    candidates_.push_back(twin_->state());
    steps_since_.push_back(fmt::format("{}: {}", i, outcome.what));
    if (!world_.powered()) {
      ++counts_.cut_inside;
      break;
    }
  }
  world_.cut_power();
  twin_.reset();
  fs_.reset();
  pool_.reset();
  world_.restore_power();
  return {};
}

std::string CrashRun::check_fsck(bool data) {
  const Stopwatch time(counts_.fsck);
  engine::FsckOptions options;
  options.data = data;
  const auto report = world_.fsck(pool_options_, options);
  if (!report) return "fsck cannot run: " + report.error().message();
  if (report->clean()) return {};
  const engine::FsckFinding& first = report->findings.front();
  return fmt::format("fsck has {} findings, the first: {}: {}", report->findings_total, first.where, first.what);
}

std::string CrashRun::recover() {
  // Sometimes the power goes again while the pool recovers.
  if (random_.chance(1, 5)) {
    const auto where = random_.chance(1, 2) ? World::Where::kStore : World::Where::kDevices;
    world_.cut_power_at(where, 1 + random_.below(12));
    if (std::string trouble = open(); !trouble.empty() && world_.powered()) return trouble;
    world_.cut_power();
    fs_.reset();
    pool_.reset();
    world_.restore_power();
    tell("cut again during recovery");
  }
  if (random_.chance(1, 2)) {
    if (std::string trouble = check_fsck(random_.chance(1, 4)); !trouble.empty())
      return "right after the cut, " + trouble;
  }
  const Stopwatch time(counts_.recover);
  return open();
}

std::string CrashRun::judge() {
  const Stopwatch time(counts_.judge);
  std::string first_difference;
  for (found_ = 0; found_ < candidates_.size(); ++found_) {
    const auto different = world_.loop().block_on(model::difference(*fs_, candidates_[found_]));
    if (!different) return "what was recovered cannot be read: " + different.error().message();
    if (different->empty()) break;
    tell(fmt::format("not the state after {}: {}", found_ == 0 ? "the sync" : steps_since_[found_ - 1], *different));
    if (first_difference.empty()) first_difference = *different;
  }
  if (found_ == candidates_.size()) {
    return fmt::format(
        "what was recovered is the state after none of the {} steps since the last sync; from that sync it "
        "differs in: {}",
        candidates_.size(), first_difference);
  }
  if (found_ > 0) ++counts_.kept_unsynced;
  counts_.lost_steps += candidates_.size() - 1 - found_;
  return {};
}

std::string CrashRun::second_part(const std::vector<Step>& steps) {
  const Stopwatch time(counts_.second);
  Twin twin(world_.loop(), world_.clock(), candidates_[found_], *fs_);
  if (std::string trouble = twin.match_nodes(); !trouble.empty()) return trouble;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Twin::Outcome outcome = twin.run(steps[i]);
    ++counts_.steps;
    tell(fmt::format("after the cut {}: {}", i, outcome.what));
    if (!outcome.difference.empty()) {
      return fmt::format("after the cut, step {}, {}: {}", i, outcome.what, outcome.difference);
    }
  }
  if (std::string trouble = twin.close_files(); !trouble.empty()) return trouble;
  const auto different = world_.loop().block_on(model::difference(*fs_, twin.state()));
  if (!different) return "the end state cannot be read: " + different.error().message();
  if (!different->empty()) return "at the end: " + *different;
  return {};
}

std::string CrashRun::check_space() {
  if (const Status removed = world_.loop().block_on(remove_below(*fs_, fs::kRootNode)); !removed.ok()) {
    return "not everything can be removed: " + removed.message();
  }
  // What a commit frees is free after it; the next one writes down that it is.
  for (int i = 0; i < 2; ++i) {
    if (const Status synced = world_.loop().block_on(fs_->sync()); !synced.ok()) return "sync: " + synced.message();
  }
  const auto statfs = world_.loop().block_on(fs_->statfs());
  if (!statfs) return "statfs fails: " + statfs.error().message();
  if (statfs->free_bytes != free_at_first_) {
    return fmt::format("{} bytes are free when all is removed, {} were at first", statfs->free_bytes, free_at_first_);
  }
  return {};
}

std::string CrashRun::all(const std::vector<Step>& steps) {
  std::string trouble = prepare();
  if (trouble.empty()) trouble = first_part(steps);
  if (trouble.empty()) trouble = recover();
  if (trouble.empty()) trouble = judge();
  const std::vector<Step> more(steps.begin(),
                               steps.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(steps.size(), 12)));
  if (trouble.empty()) trouble = second_part(more);
  if (trouble.empty() && random_.chance(1, 3)) trouble = check_space();
  if (fs_) fs_.reset();
  if (pool_) {
    const Stopwatch time(counts_.open);
    const Status closed = pool_->close();
    if (trouble.empty() && !closed.ok()) trouble = "the pool does not close: " + closed.message();
    pool_.reset();
  }
  if (trouble.empty() && random_.chance(1, 4)) trouble = check_fsck(true);
  return trouble;
}

}  // namespace

std::string crash_run(const std::vector<const PoolImage*>& images, std::uint64_t seed, const CrashOptions& options,
                      CrashCounts& counts) {
  const std::vector<Step> drawn = options.steps != nullptr ? *options.steps : draw_history(seed, options.history);
  ++counts.runs;
  std::optional<CrashRun> run;
  {
    const Stopwatch time(counts.make);
    run.emplace(*images[seed % images.size()], seed, options, counts);
  }
  std::string trouble = run->all(drawn);
  const Stopwatch time(counts.make);
  run.reset();
  return trouble;
}

std::vector<Step> shrink(const std::vector<const PoolImage*>& images, std::uint64_t seed, const CrashOptions& options) {
  std::vector<Step> steps = draw_history(seed, options.history);
  CrashCounts counts;
  const auto fails = [&](const std::vector<Step>& fewer) {
    CrashOptions quiet = options;
    quiet.verbose = false;
    quiet.steps = &fewer;
    return !fewer.empty() && !crash_run(images, seed, quiet, counts).empty();
  };
  for (std::size_t chunk = steps.size() / 2; chunk > 0;) {
    bool any = false;
    for (std::size_t at = 0; at + chunk <= steps.size();) {
      std::vector<Step> fewer(steps);
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(at),
                  fewer.begin() + static_cast<std::ptrdiff_t>(at + chunk));
      if (fails(fewer)) {
        steps = std::move(fewer);
        any = true;
      } else {
        at += chunk;
      }
    }
    if (!any) chunk /= 2;
  }
  return steps;
}

}  // namespace ross::sim
