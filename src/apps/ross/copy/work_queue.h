// WorkQueue: what is left to copy, taken by the lanes of all workers.
//
// A stack, so that a tree is copied depth first and few directories are open at once: a directory puts back the rest
// of its own listing before what it has found so far. Its size is bounded by that: at most kListMax entries
// of a listing for each level of the tree and lane.
// Threading: guarded; take() waits on the caller's loop.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apps/ross/copy/tree.h"
#include "runtime/sync.h"

namespace ross::cli::copy {

// A directory being copied. Constant after opening, but for pending.
struct Node {
  std::shared_ptr<Node> parent;  // shared by all its children
  Item item;
  std::string to_name;
  std::string text;   // the source's path, for messages
  DirectoryRef from;  // null until it is opened
  DirectoryRef to;
  Xattrs xattrs;
  bool stands_in = false;                  // no directory: says where a root is found and where it goes, under to_name
  bool finishes = true;                    // gets its attributes when all below it is done
  std::atomic<std::uint32_t> pending = 1;  // its listing, and children whose work is not done
};
using NodeRef = std::shared_ptr<Node>;

// The next part of a directory's listing or, when items is not empty, these files and links in it.
struct Work {
  NodeRef node;
  std::vector<Item> items;
};

class WorkQueue {
 public:
  void push(Work work);
  // Nothing: all is done, or stop() was called. Each work taken ends in done().
  runtime::Task<std::optional<Work>> take();
  void done();
  // Nobody gets any more work.
  void stop();
  [[nodiscard]] bool stopped() const { return stopped_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  runtime::WaitQueue waiting_;  // guarded by mutex_
  std::vector<Work> stack_;     // guarded by mutex_
  std::size_t active_ = 0;      // guarded by mutex_; taken and not done
  std::atomic<bool> stopped_ = false;
};

}  // namespace ross::cli::copy
