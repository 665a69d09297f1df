// ross bench: a quick look at how fast a container is, with loads that need no other program.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "apps/ross/bench/load.h"
#include "apps/ross/command.h"
#include "apps/ross/interrupt.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/size.h"
#include "apps/ross/present/table.h"
#include "apps/ross/walk.h"
#include "base/random.h"
#include "base/units.h"

namespace ross::cli {
namespace {

constexpr std::uint64_t kBlockMax = 64 * kMiB;

struct BenchOptions {
  std::string path = ":";
  std::vector<std::string> loads;
  std::uint64_t block_bytes = 0;  // 0: 1 MiB for sequential loads, 4 KiB for random ones
  std::uint64_t file_bytes = 256 * kMiB;
  unsigned depth = 16;
  unsigned jobs = 1;
  double seconds = 5;
};

constexpr LoadKind kAll[] = {LoadKind::kWrite, LoadKind::kRead, LoadKind::kRandRead, LoadKind::kRandWrite,
                             LoadKind::kMetadata};

bool wanted(const BenchOptions& options, LoadKind kind) {
  return options.loads.empty() || std::ranges::find(options.loads, load_word(kind)) != options.loads.end();
}

LoadOptions load_options(const BenchOptions& options, LoadKind kind) {
  LoadOptions load;
  load.kind = kind;
  const bool random = kind == LoadKind::kRandRead || kind == LoadKind::kRandWrite;
  load.block_bytes = options.block_bytes > 0 ? options.block_bytes : random ? 4 * kKiB : kMiB;
  load.file_bytes = options.file_bytes;
  load.depth = options.depth;
  load.jobs = options.jobs;
  load.seconds_max = options.seconds;
  return load;
}

void show(Context& context, const LoadOptions& load, const LoadResult& result, Table& table) {
  const double seconds = std::max(result.seconds, 1e-9);
  const double rate = static_cast<double>(result.operations) / seconds;
  const double bytes_rate = static_cast<double>(result.bytes) / seconds;
  const auto microseconds = [&](double part) { return static_cast<double>(result.latency.percentile_ns(part)) / 1000; };
  Json json;
  json["load"] = load_word(load.kind);
  if (load.kind != LoadKind::kMetadata) json["block_bytes"] = load.block_bytes;
  json["depth"] = load.depth;
  json["jobs"] = load.jobs;
  json["seconds"] = result.seconds;
  json["operations"] = result.operations;
  json["operations_per_second"] = rate;
  json["bytes_per_second"] = bytes_rate;
  Json latency;
  latency["mean"] = result.latency.mean_ns() / 1000;
  latency["p50"] = microseconds(0.5);
  latency["p99"] = microseconds(0.99);
  latency["p999"] = microseconds(0.999);
  json["latency_us"] = std::move(latency);
  context.out.item(json, "");
  const bool metadata = load.kind == LoadKind::kMetadata;
  table.row({std::string(load_word(load.kind)), metadata ? "-" : format_size(load.block_bytes),
             format_count(static_cast<std::uint64_t>(rate)),
             metadata ? "-" : format_size(static_cast<std::uint64_t>(bytes_rate)),
             fmt::format("{:.1f}", result.latency.mean_ns() / 1000), fmt::format("{:.1f}", microseconds(0.5)),
             fmt::format("{:.1f}", microseconds(0.99))});
}

Status run_all(Context& context, const BenchOptions& options, Volume& volume, fs::NodeId directory) {
  Table table({"LOAD", ">BLOCK", ">OPS/S", ">BYTES/S", ">MEAN US", ">P50 US", ">P99 US"});
  context.out.begin_list();
  Status status;
  const bool reads =
      wanted(options, LoadKind::kRead) || wanted(options, LoadKind::kRandRead) || wanted(options, LoadKind::kRandWrite);
  for (const LoadKind kind : kAll) {
    const bool shown = wanted(options, kind);
    // What is to be read or overwritten has to be there, whole.
    const bool prepares = kind == LoadKind::kWrite && reads;
    if (!status.ok() || interrupted() || (!shown && !prepares)) continue;
    LoadOptions load = load_options(options, kind);
    if (prepares) load.seconds_max = 3600;
    const auto result = run_load(volume.fs, volume.cred, directory, load);
    if (!result.has_value() && !interrupted()) status = about(load_word(kind), result.error());
    if (result.has_value() && shown) show(context, load, *result, table);
  }
  context.out.end_list();
  context.out.text(table.text());
  return status;
}

// Removes a directory and what is in it; also after Ctrl-C.
Status remove_tree(Volume& volume, fs::NodeId parent, const std::string& name, const fs::Attr& attr) {
  Status first;
  const auto keep = [&first](Status status) {
    if (first.ok() && !status.ok()) first = std::move(status);
  };
  Visitor visitor;
  visitor.enter = [&](const Visit& visit) {
    if (S_ISDIR(visit.attr.mode)) return true;
    keep(volume.wait(volume.fs.unlink(volume.cred, visit.parent, visit.name)));
    return false;
  };
  visitor.leave = [&](const Visit& visit) {
    keep(volume.wait(volume.fs.rmdir(volume.cred, visit.parent, visit.name)));
  };
  visitor.failed = [&](const Visit&, const Status& status) { keep(status); };
  visitor.stopped = [] { return false; };
  walk(volume, Visit{name, name, parent, attr}, visitor);
  return first;
}

Status bench(Context& context, const BenchOptions& options) {
  if (options.block_bytes > kBlockMax || options.file_bytes == 0) {
    return Status(EINVAL, "a block has 1 byte to 64 MiB, and a file at least one byte");
  }
  auto opened = context.open(options.path);
  if (!opened.has_value()) return about(options.path, opened.error());
  auto& [location, volume] = *opened;
  const auto holder = volume.resolve(location.path, fs::Follow::kYes);
  if (!holder.has_value()) return about(options.path, holder.error());
  const std::string name = fmt::format(".ross-bench-{:016x}", random_seed());
  const auto made = volume.wait(volume.fs.mkdir(volume.cred, holder->node, name, 0700));
  if (!made.has_value()) return about(options.path, made.error());
  Status status = run_all(context, options, volume, made->node);
  const Status removed = remove_tree(volume, holder->node, name, *made);
  return status.ok() ? about(location.below(name), removed) : about(options.path, status);
}

}  // namespace

void add_bench(Commands& commands) {
  auto options = std::make_shared<BenchOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("bench", "Measure a container; what is written is removed again");
  command.option("PATH", options->path, "A directory in it (default: ROSS_URL)");
  command.option("--load", options->loads, "write, read, randread, randwrite, metadata (default: all of them)")
      .commas()
      .one_of({"write", "read", "randread", "randwrite", "metadata"});
  command.size("--block", options->block_bytes, "Bytes a call moves (default: 1M, random loads 4K)");
  command.size("--size", options->file_bytes, "Bytes in the file of each job (default: 256M)");
  command.option("--depth", options->depth, "Calls in flight of each job (default: 16)").between(1, 1024);
  command.option("--jobs", options->jobs, "Threads (default: 1)").between(1, 256);
  command.option("--time", options->seconds, "Seconds for each load (default: 5)").between(0.01, 86400);
  command.on_run([options](Context& context) { return bench(context, *options); });
}

}  // namespace ross::cli
