#include "history.h"

#include "base/random.h"

namespace ross::sim {

namespace {

struct Weight {
  Verb verb;
  std::string_view name;
  std::uint32_t weight;
};

// How often what happens: changes of data and names most, syncs often enough that each history has some.
constexpr std::array<Weight, kVerbs> kWeights{{
    {Verb::kCreate, "create", 10},
    {Verb::kMkdir, "mkdir", 5},
    {Verb::kMknod, "mknod", 1},
    {Verb::kSymlink, "symlink", 2},
    {Verb::kReadlink, "readlink", 1},
    {Verb::kLink, "link", 4},
    {Verb::kUnlink, "unlink", 7},
    {Verb::kRmdir, "rmdir", 3},
    {Verb::kRename, "rename", 9},
    {Verb::kLookup, "lookup", 2},
    {Verb::kReaddir, "readdir", 2},
    {Verb::kGetattr, "getattr", 2},
    {Verb::kSetattr, "setattr", 4},
    {Verb::kTruncate, "truncate", 6},
    {Verb::kAccess, "access", 1},
    {Verb::kSetxattr, "setxattr", 4},
    {Verb::kGetxattr, "getxattr", 1},
    {Verb::kListxattr, "listxattr", 1},
    {Verb::kRemovexattr, "removexattr", 2},
    {Verb::kOpen, "open", 8},
    {Verb::kClose, "close", 6},
    {Verb::kWrite, "write", 26},
    {Verb::kAppend, "append", 6},
    {Verb::kRead, "read", 9},
    {Verb::kFallocate, "fallocate", 8},
    {Verb::kSeek, "seek", 2},
    {Verb::kUnnamed, "create_unnamed", 2},
    {Verb::kPublish, "publish", 3},
    {Verb::kPut, "put", 5},
    {Verb::kGet, "get", 2},
    {Verb::kRemove, "remove", 2},
    {Verb::kFsync, "fsync", 7},
    {Verb::kSync, "sync", 2},
    {Verb::kTick, "tick", 3},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kVerbs; ++i) {
    if (static_cast<std::size_t>(kWeights[i].verb) != i) return false;
  }
  return true;
}
static_assert(in_order());

}  // namespace

std::string_view verb_name(Verb verb) { return kWeights[static_cast<std::size_t>(verb)].name; }

std::vector<Step> draw_history(std::uint64_t seed, const HistoryOptions& options) {
  Random random(seed);
  std::uint32_t total = 0;
  for (const Weight& weight : kWeights) total += weight.weight;
  std::vector<Step> steps(options.steps_min + random.below(options.steps_max - options.steps_min + 1));
  for (Step& step : steps) {
    std::uint64_t left = random.below(total);
    for (const Weight& weight : kWeights) {
      step.verb = weight.verb;
      if (left < weight.weight) break;
      left -= weight.weight;
    }
    step.client = static_cast<std::uint8_t>(random.below(kClients));
    for (std::uint32_t& die : step.dice) die = static_cast<std::uint32_t>(random());
  }
  return steps;
}

}  // namespace ross::sim
