// Walking a container's tree: one listing, or everything below a directory.
//
// Both go on while entries come and go. Depth is limited by memory, not by the stack. Threading: owner thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "apps/ross/session.h"

namespace ross::cli {

// Calls each(entry), with attributes, for every entry of a directory until that fails.
Status list_directory(Volume& volume, fs::NodeId directory, const std::function<Status(fs::DirEntry& entry)>& each);

// What a walk is at.
struct Visit {
  std::string path;  // from the walk's root, which is what the user wrote
  std::string name;  // empty at the root
  fs::NodeId parent;
  fs::Attr attr;
  unsigned depth = 0;  // 0 at the root
};

struct Visitor {
  // Before what is below a directory, and for everything else; false does not descend.
  std::function<bool(const Visit& visit)> enter = [](const Visit&) { return true; };
  // After what is below a directory.
  std::function<void(const Visit& visit)> leave = [](const Visit&) {};
  // A directory that cannot be listed; the walk goes on beside it.
  std::function<void(const Visit& visit, const Status& status)> failed;
  // Asked often; true ends the walk.
  std::function<bool()> stopped;
};

void walk(Volume& volume, Visit root, const Visitor& visitor);

}  // namespace ross::cli
