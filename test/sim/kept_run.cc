#include "kept_run.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdio>
#include <map>
#include <optional>

#include "base/units.h"
#include "engine/clients.h"
#include "fs/change_id.h"
#include "model/compare.h"
#include "twin.h"

namespace ross::sim {

namespace {

// Fewer slots would make a client reuse one before it has its answer.
constexpr std::uint16_t kSlots = 64;

engine::ClientId client_id(unsigned client) { return {static_cast<std::uint8_t>(client + 1), 0xc1}; }

// Slot -> the sequence of the change that is remembered, for each client.
using Remembered = std::map<std::pair<unsigned, std::uint16_t>, std::uint64_t>;

// Steps that are one changing call.
bool is_named(Verb verb) {
  switch (verb) {
    case Verb::kCreate:
    case Verb::kMkdir:
    case Verb::kMknod:
    case Verb::kSymlink:
    case Verb::kLink:
    case Verb::kUnlink:
    case Verb::kRmdir:
    case Verb::kRename:
    case Verb::kSetattr:
    case Verb::kTruncate:
    case Verb::kSetxattr:
    case Verb::kRemovexattr:
    case Verb::kOpen:
    case Verb::kWrite:
    case Verb::kAppend:
    case Verb::kFallocate:
    case Verb::kUnnamed:
    case Verb::kPublish:
      return true;
    default:
      return false;
  }
}

// Of these, those that may succeed and change nothing, and then need not be remembered.
bool may_do_nothing(Verb verb) {
  return verb == Verb::kOpen || verb == Verb::kSetattr || verb == Verb::kWrite || verb == Verb::kAppend;
}

class KeptRun {
 public:
  KeptRun(const PoolImage& image, std::uint64_t seed, bool verbose, KeptCounts& counts)
      : verbose_(verbose), counts_(counts), random_(seed ^ 0xca9e5eed), world_(image, seed) {}

  std::string all(std::uint64_t seed);

 private:
  // What may be found after an end.
  struct Candidate {
    model::ModelState state;
    Remembered remembered;
    std::optional<std::pair<unsigned, std::uint16_t>> maybe;  // this one may also still be as before
    std::string what;
  };
  enum class How : std::uint8_t { kKill, kPowerCut };

  std::string open();
  std::string prepare();
  std::string live(const std::vector<Step>& steps, How how);
  std::string step(const Step& step, std::uint64_t number);
  std::string keep_or_sync();
  std::string judge(How how);
  std::string resend();
  std::string check_fsck(bool data);
  std::string check_space();
  void make_twin(model::ModelState state);
  Result<Remembered> remembered();
  void end(How how);
  void tell(std::string_view text) const {
    if (verbose_) std::fprintf(stderr, "  %.*s\n", static_cast<int>(text.size()), text.data());
  }

  const bool verbose_;
  KeptCounts& counts_;
  Random random_;
  World world_;
  std::uint64_t cache_bytes_ = 0;
  std::unique_ptr<engine::Pool> pool_;
  std::unique_ptr<fs::FileSystem> fs_;
  std::optional<Twin> twin_;
  fs::ChangeId next_;  // for the next call on the tested side
  bool called_ = false;
  std::uint64_t next_number_ = 1;
  std::uint64_t free_at_first_ = 0;
  std::vector<Candidate> candidates_;
  std::size_t kept_ = 0;    // the candidate at the last keep that was answered
  std::size_t synced_ = 0;  // and at the last sync
  std::size_t found_ = 0;
  struct Sent {
    Step step;
    std::uint64_t number;
    std::size_t candidate;  // after it
  };
  std::vector<Sent> unanswered_;
};

std::string KeptRun::open() {
  engine::PoolOptions options = world_.options();
  options.cache_bytes = cache_bytes_;
  options.serves_clients = true;
  auto pool = world_.open_pool(options);
  if (!pool) return "the pool does not open: " + pool.error().message();
  pool_ = std::move(*pool);
  auto container = pool_->open_container(kContainer);
  if (!container) return "the container does not open: " + container.error().message();
  fs_ = std::move(*container);
  return {};
}

Result<Remembered> KeptRun::remembered() {
  Remembered all;
  for (unsigned client = 0; client < kClients; ++client) {
    ROSS_TRY(const auto changes, pool_->clients()->remembered(client_id(client)));
    for (const engine::RememberedChange& change : changes) all[{client, change.slot}] = change.sequence;
  }
  return all;
}

void KeptRun::make_twin(model::ModelState state) {
  Twin::Options options;
  options.before_tested = [this] {
    called_ |= next_.set();
    fs::name_next_change(std::exchange(next_, {}));
  };
  twin_.emplace(world_.loop(), world_.clock(), std::move(state), *fs_, std::move(options));
}

std::string KeptRun::prepare() {
  cache_bytes_ = random_.chance(1, 2) ? 256 * kKiB : 4 * kMiB;
  if (std::string trouble = open(); !trouble.empty()) return trouble;
  for (unsigned client = 0; client < kClients; ++client) {
    const Status added = pool_->clients()->add({.id = client_id(client), .uid = client});
    if (!added.ok()) return "a client is not taken: " + added.message();
  }
  const auto statfs = world_.loop().block_on(fs_->statfs());
  if (!statfs) return "statfs fails: " + statfs.error().message();
  free_at_first_ = statfs->free_bytes;
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
  candidates_.push_back({.state = state, .remembered = {}, .maybe = {}, .what = "the beginning"});
  make_twin(std::move(state));
  return {};
}

std::string KeptRun::step(const Step& step, std::uint64_t number) {
  const auto slot = static_cast<std::uint16_t>(number % kSlots);
  next_ = {};
  called_ = false;
  if (is_named(step.verb)) next_ = {.client = client_id(step.client), .slot = slot, .sequence = number};
  const Twin::Outcome outcome = twin_->run(step);
  next_ = {};
  fs::name_next_change({});
  ++counts_.steps;
  tell(fmt::format("{}: {}{}", number, outcome.what, world_.powered() ? "" : "   (the end)"));
  Candidate after{
      .state = twin_->state(), .remembered = candidates_.back().remembered, .maybe = {}, .what = outcome.what};
  const bool succeeds = called_ && outcome.expected == 0;
  const std::pair<unsigned, std::uint16_t> place(step.client, slot);
  // The store works by itself at times, so the end may also come between two calls.
  const auto now = remembered();
  if (world_.powered()) {
    if (!outcome.difference.empty()) return fmt::format("step {}, {}: {}", number, outcome.what, outcome.difference);
    if (!now) return "what is remembered cannot be read: " + now.error().message();
    const auto found = now->find(place);
    const bool there = found != now->end() && found->second == number;
    if (there && !succeeds) return fmt::format("step {}, {}: is remembered", number, outcome.what);
    if (!there && succeeds && !may_do_nothing(step.verb)) {
      return fmt::format("step {}, {}: is not remembered", number, outcome.what);
    }
    Remembered expected = after.remembered;
    if (there) expected[place] = number;
    if (*now != expected) return fmt::format("step {}, {}: changes what else is remembered", number, outcome.what);
    after.remembered = *now;
  } else if (succeeds) {
    after.remembered[place] = number;
    if (may_do_nothing(step.verb)) after.maybe = place;
  }
  candidates_.push_back(std::move(after));
  unanswered_.push_back({step, number, candidates_.size() - 1});
  if (world_.powered() && outcome.durable) synced_ = kept_ = candidates_.size() - 1;
  return {};
}

std::string KeptRun::keep_or_sync() {
  const std::uint64_t dice = random_.below(16);
  if (dice < 8 && world_.powered()) {
    const Status kept = world_.loop().block_on(pool_->clients()->keep());
    ++counts_.keeps;
    if (kept.ok() && world_.powered()) {
      kept_ = candidates_.size() - 1;
      tell("kept");
    } else if (world_.powered()) {
      return "keep fails: " + kept.message();
    }
  } else if (dice == 8) {
    if (pool_->sync().ok() && world_.powered()) {
      synced_ = kept_ = candidates_.size() - 1;
      tell("synced");
    }
  }
  std::erase_if(unanswered_, [&](const Sent& sent) { return sent.candidate <= kept_; });
  return {};
}

void KeptRun::end(How how) {
  // The log may reach the disk long before anything that it names.
  if (how == How::kPowerCut && random_.chance(1, 2)) {
    for (const char* log : {"kept0", "kept1"}) world_.env().write_back((world_.directory() / log).string());
  }
  how == How::kKill ? world_.kill() : world_.cut_power();
  twin_.reset();
  fs_.reset();
  pool_.reset();
  world_.restore_power();
}

std::string KeptRun::live(const std::vector<Step>& steps, How how) {
  const std::size_t stop_at = random_.chance(1, 3) ? random_.below(steps.size() + 1) : steps.size();
  if (stop_at == steps.size()) {
    const auto where = random_.chance(1, 3) ? World::Where::kDevices : World::Where::kStore;
    const std::uint64_t nth = 1 + random_.below(where == World::Where::kDevices ? steps.size() / 4 : steps.size());
    how == How::kKill ? world_.kill_at(where, nth) : world_.cut_power_at(where, nth);
  }
  for (std::size_t i = 0; i < stop_at && world_.powered(); ++i) {
    if (std::string trouble = step(steps[i], next_number_++); !trouble.empty()) return trouble;
    if (world_.powered()) {
      if (std::string trouble = keep_or_sync(); !trouble.empty()) return trouble;
    }
  }
  counts_.inside += world_.powered() ? 0 : 1;
  tell(how == How::kKill ? "killed" : "the power went");
  end(how);
  return {};
}

std::string KeptRun::check_fsck(bool data) {
  engine::FsckOptions options;
  options.data = data;
  const auto report = world_.fsck(world_.options(), options);
  if (!report) return "fsck cannot run: " + report.error().message();
  if (report->clean()) return {};
  const engine::FsckFinding& first = report->findings.front();
  return fmt::format("fsck has {} findings, the first: {}: {}", report->findings_total, first.where, first.what);
}

std::string KeptRun::judge(How how) {
  // Sometimes the end comes again while the pool is opened.
  if (random_.chance(1, 4)) {
    const auto where = random_.chance(1, 2) ? World::Where::kStore : World::Where::kDevices;
    const std::uint64_t nth = 1 + random_.below(12);
    const bool cut = random_.chance(1, 3);
    cut ? world_.cut_power_at(where, nth) : world_.kill_at(where, nth);
    if (std::string trouble = open(); !trouble.empty() && world_.powered()) return trouble;
    tell(cut ? "the power went again during recovery" : "killed again during recovery");
    if (cut) how = How::kPowerCut;
    end(cut ? How::kPowerCut : How::kKill);
  }
  if (random_.chance(1, 2)) {
    if (std::string trouble = check_fsck(random_.chance(1, 2)); !trouble.empty()) return "after the end, " + trouble;
  }
  if (std::string trouble = open(); !trouble.empty()) return trouble;
  const auto now = remembered();
  if (!now) return "what is remembered cannot be read: " + now.error().message();
  std::string first_difference;
  for (found_ = how == How::kKill ? kept_ : synced_; found_ < candidates_.size(); ++found_) {
    const Candidate& candidate = candidates_[found_];
    const auto different = world_.loop().block_on(model::difference(*fs_, candidate.state));
    if (!different) return "what was recovered cannot be read: " + different.error().message();
    std::string difference = *different;
    if (difference.empty() && candidate.remembered != *now) {
      Remembered without = candidate.remembered;
      if (candidate.maybe) {
        without.erase(*candidate.maybe);
        const auto& before = candidates_[found_ - 1].remembered;
        if (const auto old = before.find(*candidate.maybe); old != before.end()) without.insert(*old);
      }
      if (without != *now) difference = "other changes are remembered";
    }
    if (difference.empty()) break;
    tell(fmt::format("not the state after {}: {}", candidate.what, difference));
    if (first_difference.empty()) first_difference = difference;
  }
  if (found_ == candidates_.size()) {
    return fmt::format(
        "what was recovered is the state after none of the steps since the last {}; from that it differs in: {}",
        how == How::kKill ? "keep" : "sync", first_difference);
  }
  if (found_ < kept_) counts_.kept_lost += kept_ - found_;
  counts_.kills += how == How::kKill ? 1 : 0;
  counts_.power_cuts += how == How::kKill ? 0 : 1;
  return {};
}

// Everybody sends again what was not answered.
std::string KeptRun::resend() {
  const Remembered made = *remembered();
  Candidate found = std::move(candidates_[found_]);
  found.remembered = made;
  make_twin(found.state);
  candidates_.clear();
  candidates_.push_back(std::move(found));
  kept_ = synced_ = 0;
  if (std::string trouble = twin_->match_nodes(); !trouble.empty()) return trouble;
  // The model forgot what had no name when its handles went.
  const Status released = pool_->clients()->release_orphans();
  if (!released.ok()) return "orphans are not released: " + released.message();
  for (const Sent& sent : std::exchange(unanswered_, {})) {
    if (!is_named(sent.step.verb)) continue;
    const auto last = made.find({sent.step.client, static_cast<std::uint16_t>(sent.number % kSlots)});
    if (last != made.end() && last->second >= sent.number) {
      ++counts_.resent_skipped;
      continue;
    }
    ++counts_.resent_done;
    if (std::string trouble = step(sent.step, sent.number); !trouble.empty()) return "resent: " + trouble;
  }
  const auto different = world_.loop().block_on(model::difference(*fs_, twin_->state()));
  if (!different) return "what was resent cannot be read: " + different.error().message();
  return different->empty() ? std::string() : "after what was resent: " + *different;
}

std::string KeptRun::check_space() {
  if (std::string trouble = twin_->close_files(); !trouble.empty()) return trouble;
  if (const Status released = pool_->clients()->release_orphans(); !released.ok()) return released.message();
  if (const Status removed = world_.loop().block_on(remove_below(*fs_, fs::kRootNode)); !removed.ok()) {
    return "not everything can be removed: " + removed.message();
  }
  for (int i = 0; i < 2; ++i) {
    if (const Status synced = pool_->sync(); !synced.ok()) return "sync: " + synced.message();
  }
  const auto statfs = world_.loop().block_on(fs_->statfs());
  if (!statfs) return "statfs fails: " + statfs.error().message();
  if (statfs->free_bytes == free_at_first_) return {};
  return fmt::format("{} bytes are free when all is removed, {} were at first", statfs->free_bytes, free_at_first_);
}

std::string KeptRun::all(std::uint64_t seed) {
  std::string trouble = prepare();
  const std::uint64_t lives = 1 + random_.below(4);
  for (std::uint64_t life = 0; life < lives && trouble.empty(); ++life) {
    const How how = random_.chance(2, 3) ? How::kKill : How::kPowerCut;
    trouble = live(draw_history(seed * 16 + life, {.steps_min = 20, .steps_max = 100}), how);
    if (trouble.empty()) trouble = judge(how);
    if (trouble.empty()) trouble = resend();
    if (!trouble.empty()) trouble = fmt::format("life {}: {}", life, trouble);
  }
  if (trouble.empty() && random_.chance(1, 2)) trouble = check_space();
  twin_.reset();
  fs_.reset();
  if (pool_) {
    const Status closed = pool_->close();
    if (trouble.empty() && !closed.ok()) trouble = "the pool does not close: " + closed.message();
    pool_.reset();
  }
  if (trouble.empty()) trouble = check_fsck(true);
  return trouble;
}

}  // namespace

std::string kept_run(const std::vector<const PoolImage*>& images, std::uint64_t seed, bool verbose,
                     KeptCounts& counts) {
  ++counts.runs;
  return KeptRun(*images[seed % images.size()], seed, verbose, counts).all(seed);
}

}  // namespace ross::sim
