#include "engine/fsck/checker.h"

#include <fmt/format.h>

namespace ross::engine {

using format::NodeKey;

Checker::Checker(MetaStore& store, const std::vector<std::unique_ptr<disk::Disk>>& disks, const FsckOptions& options,
                 Clock& clock, const format::Uuid* uuid)
    : store_(store), disks_(disks), options_(options), clock_(clock), uuid_(uuid) {
  for (const auto& disk : disks) claimed_.emplace_back(disk->size_bytes() / format::kBlockBytes);
}

void Checker::found(std::string where, std::string what, bool mendable) {
  ++report_->findings_total;
  if (report_->findings.size() >= FsckReport::kFindingsMax) return;
  report_->findings.push_back(
      {.where = std::move(where), .what = std::move(what), .repaired = mendable && options_.repair});
}

void Checker::progress(std::uint64_t steps) {
  constexpr std::uint64_t kStepsPerReport = 4096;
  const std::uint64_t before = steps_ / kStepsPerReport;
  steps_ += steps;
  if (options_.progress && steps_ / kStepsPerReport != before) options_.progress(steps_, 0);
}

// The path of a node, as far as the store knows one: names are looked for in the directories above it.
std::string Checker::place(NodeKey id) {
  constexpr int kDepthMax = 64;
  std::string path;
  const NodeKey start = id;
  for (int depth = 0; depth < kDepthMax && id.node != fs::kRootNode; ++depth) {
    const auto node = nodes_.find(id);
    if (node == nodes_.end()) break;
    std::uint64_t above = node->second.named_in;
    if (above == 0) above = node->second.record.parent;
    std::string name = fmt::format("#{}", id.node.value);
    if (above != 0) {
      const std::string prefix = format::entry_prefix({id.container, fs::NodeId(above)});
      [[maybe_unused]] const Status best_effort =
          store_.scan(prefix, {}, [&](std::string_view key, std::string_view value) {
            auto entry = format::decode_entry(value);
            if (!entry || entry->node != id.node) return true;
            name = key.substr(format::kEntryHeaderBytes);
            return false;
          });
    }
    path = "/" + name + path;
    if (above == 0) break;
    id.node = fs::NodeId(above);
    if (id == start) break;  // a ring
  }
  return containers_[id.container].record.name + (path.empty() ? "/" : path);
}

std::string Checker::place(NodeKey directory, std::string_view name) {
  std::string where = place(directory);
  if (!where.ends_with('/')) where += '/';
  return where.append(name);
}

Status Checker::run(FsckReport& report) {
  report_ = &report;
  auto loop = runtime::Loop::create({.clock = &clock_});
  if (!loop) return std::move(loop).error();
  loop_ = *std::move(loop);
  ROSS_STATUS(scan_pool());
  ROSS_STATUS(scan_nodes());
  ROSS_STATUS(scan_entries());
  ROSS_STATUS(scan_segments());
  ROSS_STATUS(settle_blocks_mapped_twice());
  ROSS_STATUS(scan_side_records());
  ROSS_STATUS(scan_clients());
  judge_tree();
  judge_counts();
  judge_containers();
  ROSS_STATUS(judge_space());
  if (options_.data) ROSS_STATUS(check_data());
  if (options_.progress) options_.progress(steps_, steps_);
  for (const auto& [key, blocks] : mended_) fixes_.Put(key, format::encode_segment(blocks));
  if (!options_.repair || fixes_.Count() == 0) return {};
  return store_.write(fixes_);
}

}  // namespace ross::engine
