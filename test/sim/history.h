// History: a run of operations by several clients, drawn from a seed.
//
// A step says what to do and carries dice; what it is done to is chosen when it runs, from what is there then. So any subset
// of a history is a history, which is what makes a failing one small.
//
// Threading: immutable values.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace ross::sim {

enum class Verb : std::uint8_t {
  kCreate,
  kMkdir,
  kMknod,
  kSymlink,
  kReadlink,
  kLink,
  kUnlink,
  kRmdir,
  kRename,
  kLookup,
  kReaddir,
  kGetattr,
  kSetattr,
  kTruncate,
  kAccess,
  kSetxattr,
  kGetxattr,
  kListxattr,
  kRemovexattr,
  kOpen,
  kClose,
  kWrite,
  kAppend,
  kRead,
  kFallocate,
  kSeek,
  kUnnamed,
  kPublish,
  kPut,
  kGet,
  kRemove,
  kFsync,
  kSync,
  kTick,  // time passes
};
inline constexpr std::size_t kVerbs = static_cast<std::size_t>(Verb::kTick) + 1;
std::string_view verb_name(Verb verb);

inline constexpr unsigned kClients = 3;

struct Step {
  Verb verb = Verb::kTick;
  std::uint8_t client = 0;
  std::array<std::uint32_t, 6> dice{};
};

struct HistoryOptions {
  std::size_t steps_min = 30;
  std::size_t steps_max = 120;
};

std::vector<Step> draw_history(std::uint64_t seed, const HistoryOptions& options);

}  // namespace ross::sim
