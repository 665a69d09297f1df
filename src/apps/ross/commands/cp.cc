// ross cp: copies files and trees into, out of and inside containers, with everything they carry.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "apps/ross/command.h"
#include "apps/ross/copy/plan.h"
#include "apps/ross/copy/scan.h"
#include "apps/ross/interrupt.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/progress.h"
#include "apps/ross/present/size.h"
#include "apps/ross/present/text.h"
#include "base/clock.h"

namespace ross::cli {
namespace {

constexpr unsigned kJobsMax = 64;

struct CpOptions {
  std::vector<std::string> paths;
  copy::PlanOptions plan;
  unsigned jobs = 0;
  bool one_file_system = false;
  bool quiet = false;
};

struct Sums {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t specials = 0;
  std::uint64_t bytes = 0;

  void add(const copy::Counts& counts) {
    files += counts.files;
    directories += counts.directories;
    links += counts.links;
    specials += counts.specials;
    bytes += counts.bytes;
  }
  [[nodiscard]] std::uint64_t items() const { return files + directories + links + specials; }
};

// A tree holds a directory open for each level and lane.
void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// Counts what a group holds on a thread of its own, while the bar is shown.
class Scanner {
 public:
  Scanner(copy::Group& group, bool wanted) {
    if (!wanted) return;
    thread_ = std::thread([this, &group] {
      auto loop = runtime::Loop::create();
      if (!loop.has_value()) return;  // the bar then shows no end
      for (copy::DirectoryRef& root : group.scan_roots) {
        copy::scan(**loop, *group.source, std::move(root), totals, [this] { return stop_.load(); });
      }
      for (const copy::Root& root : group.roots) totals.bytes += root.from_directory ? 0 : root.item.attr.size_bytes;
      totals.complete = !stop_;
    });
  }
  ~Scanner() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;
  copy::Totals totals;

 private:
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

Status copy_group(Context& context, const CpOptions& options, copy::Plan& plan, copy::Group& group, Progress& progress,
                  Sums& sums) {
  copy::CopierOptions copier_options;
  copier_options.jobs =
      options.jobs > 0 ? std::min(options.jobs, kJobsMax) : std::clamp(std::thread::hardware_concurrency(), 2U, 8U);
  copier_options.one_file_system = options.one_file_system;
  copier_options.skip = group.skip;
  copy::Copier copier(*group.source, *plan.sink, std::move(copier_options),
                      [&context](std::string_view path, const Status& status) { context.report(path, status); });
  Scanner scanner(group, progress.shown());
  for (const copy::Root& root : group.roots) copier.add(root);
  Status status = copier.run([&] {
    if (interrupted()) copier.stop();
    ProgressState state;
    state.items = sums.items() + copier.counts().items();
    state.done = copier.counts().bytes;
    state.total = scanner.totals.complete ? scanner.totals.bytes.load() : 0;
    progress.update(state);
  });
  sums.add(copier.counts());
  return status;
}

Status copy_all(Context& context, const CpOptions& options) {
  raise_open_files();
  std::vector<std::string> sources = options.paths;
  const std::string target = sources.back();
  sources.pop_back();
  const std::int64_t began_ns = system_clock().monotonic_ns();
  auto plan = copy::make_plan(context.session, sources, target, options.plan,
                              [&](std::string_view path, const Status& status) { context.report(path, status); });
  if (!plan.has_value()) return about(target, plan.error());
  Progress progress(options.quiet || context.out.json() ? -1 : STDERR_FILENO);
  context.set_before_line([&progress] { progress.clear(); });
  Sums sums;
  Status status;
  for (copy::Group& group : plan->groups) {
    if (!interrupted() && status.ok()) status = copy_group(context, options, *plan, group, progress, sums);
  }
  if (status.ok() && plan->target.has_value()) {
    status = about(target, plan->target->wait(plan->target->fs.sync()));
  }
  progress.clear();
  context.set_before_line({});

  const double seconds = static_cast<double>(system_clock().monotonic_ns() - began_ns) * 1e-9;
  Json json;
  json["files"] = sums.files;
  json["directories"] = sums.directories;
  json["links"] = sums.links;
  json["specials"] = sums.specials;
  json["bytes"] = sums.bytes;
  json["seconds"] = seconds;
  json["errors"] = context.errors();
  json["interrupted"] = interrupted();
  context.out.object(json, "");
  const std::string summary = fmt::format(
      "{} files, {} directories, {} links, {} in {} ({}/s)", format_count(sums.files), format_count(sums.directories),
      format_count(sums.links), format_size(sums.bytes), format_duration(seconds),
      format_size(static_cast<std::uint64_t>(static_cast<double>(sums.bytes) / std::max(seconds, 1e-9))));
  if (interrupted()) {
    context.note("ross: interrupted: copied " + summary + "; every file of these is whole, the others are absent");
  } else if (progress.shown()) {
    context.note("copied " + summary);
  }
  return status;
}

}  // namespace

void add_cp(Commands& commands) {
  auto options = std::make_shared<CpOptions>();  // lives as long as the command that captures it
  Command& command = commands.add(
      "cp", "Copy into, out of and inside containers: bytes, holes, modes, owners, times, links and xattrs");
  command.option("PATH", options->paths, "What to copy, and last where to").required().at_least(2);
  command.flag("-r,-R,--recursive", options->plan.recursive, "Directories and all below them");
  command.flag("-T,--no-target-directory", options->plan.no_target_directory,
               "The target is the copy itself, not a directory to put it into");
  command.flag("-x,--one-file-system", options->one_file_system, "Leave out what is mounted inside");
  command.option("-j,--jobs", options->jobs, "Threads (default: one per core, 2 to 8)").between(1, kJobsMax);
  command.flag("-q,--quiet", options->quiet, "No progress bar");
  command.on_run([options](Context& context) { return copy_all(context, *options); });
}

}  // namespace ross::cli
