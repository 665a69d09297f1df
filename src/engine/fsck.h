// fsck: reads a whole pool that nobody has open, says what is wrong and, on request, mends or isolates it.
//
// Checks: every entry names a node and every node is named as often as it counts; directories form a tree; mappings lie
// on devices, overlap nowhere and are what the space map says; sizes, usage and quotas add up; with data = true
// every block matches its checksum. Repair: counts and maps are rebuilt, nodes without a name go to
// /lost+found of their container, blocks that fail their checksum are set apart so that reading them is EIO for
// ever and their space is not reused.
//
// Threading: owner thread. Errors: what keeps the check itself from running; findings are no errors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "engine/pool.h"

namespace ross::engine {

struct FsckOptions {
  bool repair = false;
  bool data = false;  // read every block and check it
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

struct FsckFinding {
  std::string where;  // container and path, or the structure
  std::string what;   // one sentence
  bool repaired = false;
};

struct FsckReport {
  std::vector<FsckFinding> findings;  // the first kFindingsMax; findings_total counts all
  std::uint64_t findings_total = 0;
  std::uint64_t nodes = 0;
  std::uint64_t entries = 0;
  std::uint64_t data_bytes = 0;
  [[nodiscard]] bool clean() const { return findings_total == 0; }
  static constexpr std::size_t kFindingsMax = 1000;
};

Result<FsckReport> fsck(const std::filesystem::path& directory, const PoolOptions& pool_options,
                        const FsckOptions& options);

}  // namespace ross::engine
