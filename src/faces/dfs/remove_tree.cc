// A stack instead of recursion: trees are as deep as programs make them. A directory on the stack is listed from its
// beginning each time it is on top; what is found is removed or, when a directory, pushed; when nothing is found it goes.
#include "faces/dfs/remove_tree.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

namespace ross::dfs {
namespace {

constexpr int kRefilledMax = 64;  // how often somebody may put new entries into a directory we emptied

struct Level {
  fs::NodeId parent;
  std::string name;
  fs::NodeId node;
  int refilled = 0;
};

bool already_gone(const Status& status) { return status.error() == ENOENT; }

}  // namespace

fs::AsyncStatus remove_tree(fs::FileSystem& fs, const fs::Credential& cred, fs::NodeId parent, std::string name,
                            fs::NodeId directory) {
  std::vector<Level> stack;
  stack.push_back({parent, std::move(name), directory});
  const fs::ReaddirOptions from_start{};
  while (!stack.empty()) {
    const Level top = stack.back();
    auto entries = co_await fs.readdir(cred, top.node, from_start);
    if (!entries && !already_gone(entries.error()) && entries.error().error() != ESTALE) {
      co_return std::move(entries).error();
    }
    if (!entries || entries->empty()) {
      Status status = co_await fs.rmdir(cred, top.parent, top.name);
      if (status.error() == ENOTEMPTY && ++stack.back().refilled <= kRefilledMax) continue;
      if (!status.ok() && !already_gone(status)) co_return status;
      stack.pop_back();
      continue;
    }
    for (const fs::DirEntry& entry : *entries) {
      if (S_ISDIR(entry.type)) {
        stack.push_back({top.node, entry.name, entry.node});
        continue;
      }
      Status status = co_await fs.unlink(cred, top.node, entry.name);
      if (!status.ok() && !already_gone(status)) co_return status;
    }
  }
  co_return Status();
}

}  // namespace ross::dfs
