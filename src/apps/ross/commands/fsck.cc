// ross fsck: checks a pool that nobody has open, and mends it on request.
#include "engine/fsck.h"

#include <unistd.h>

#include <memory>

#include "apps/ross/command.h"
#include "apps/ross/present/explain.h"
#include "apps/ross/present/progress.h"
#include "apps/ross/present/size.h"

namespace ross::cli {
namespace {

struct FsckOptions {
  std::string pool;
  bool repair = false;
  bool data = false;
};

Status check(Context& context, const FsckOptions& options) {
  const auto url = attach::parse_url(options.pool, false);
  if (!url.has_value()) return about(options.pool, url.error());
  Progress progress(STDERR_FILENO);
  engine::FsckOptions fsck;
  fsck.repair = options.repair;
  fsck.data = options.data;
  fsck.progress = [&progress](std::uint64_t done, std::uint64_t total) {
    progress.update({.items = {}, .done = done, .total = total, .bytes = false});
  };
  const auto report = engine::fsck(url->pool, {}, fsck);
  progress.clear();
  if (!report.has_value()) return about(options.pool, report.error());

  std::uint64_t repaired = 0;
  Json findings = Json::array();
  for (const engine::FsckFinding& finding : report->findings) {
    repaired += finding.repaired ? 1 : 0;
    Json json;
    put_name(json, "where", finding.where);
    json["what"] = finding.what;
    json["repaired"] = finding.repaired;
    findings.push_back(std::move(json));
    context.out.text(fmt::format("{}: {}{}\n", context.out.name(finding.where), finding.what,
                                 finding.repaired ? " (repaired)" : ""));
  }
  // Findings beyond those kept are known by number only; they count as repaired when all that were kept are.
  const bool all_repaired = repaired == report->findings.size() && options.repair;
  const bool sound = report->clean() || all_repaired;
  Json json;
  json["clean"] = report->clean();
  json["sound"] = sound;
  json["nodes"] = report->nodes;
  json["entries"] = report->entries;
  json["data_bytes"] = report->data_bytes;
  json["findings_total"] = report->findings_total;
  json["findings"] = std::move(findings);
  context.out.object(json, fmt::format("{}: {} files and directories, {} of data: {}\n", options.pool,
                                       format_count(report->nodes), format_size(report->data_bytes),
                                       report->clean() ? "clean"
                                       : all_repaired ? fmt::format("{} findings, all repaired", report->findings_total)
                                                      : fmt::format("{} findings", report->findings_total)));
  if (sound) return {};
  return Status(EIO, fmt::format("{}: {} findings: {}", options.pool, report->findings_total,
                                 options.repair ? "some could not be repaired: copy out what you need"
                                                : "run 'ross fsck --repair' to mend or isolate them"));
}

}  // namespace

void add_fsck(Commands& commands) {
  auto options = std::make_shared<FsckOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("fsck", "Check a pool that nobody has open");
  command.option("POOL", options->pool, "The pool's directory").required();
  command.flag("--repair", options->repair, "Mend what is wrong, isolate what cannot be mended");
  command.flag("--data", options->data, "Read all data and check it against its checksums");
  command.on_run([options](Context& context) { return check(context, *options); });
}

}  // namespace ross::cli
