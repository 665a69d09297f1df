// Plan: what "cp SOURCE... TARGET" means: which things go where, and whether that can be.
//
// As with cp: into a target that is a directory each source goes under its own name; otherwise the one source gets the
// target's name. A source without a name ("/", "dir/.", a container) has its entries go into the target itself.
// Threading: owner thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/ross/copy/copier.h"
#include "apps/ross/session.h"

namespace ross::cli::copy {

struct PlanOptions {
  bool recursive = false;
  bool no_target_directory = false;  // the target is the copy itself, even where it is a directory
};

// Sources that one copier can take: those on the host, or those of one container.
struct Group {
  std::unique_ptr<Source> source;
  std::vector<Root> roots;
  std::vector<DirectoryRef> scan_roots;  // the directories among them once more, for counting
  std::vector<std::pair<std::uint64_t, std::uint64_t>> skip;
};

struct Plan {
  std::unique_ptr<Sink> sink;
  std::optional<Volume> target;  // when it is in a container
  std::vector<Group> groups;
};

using Report = std::function<void(std::string_view path, const Status& status)>;

// Sources that cannot be copied are reported and left out. Errors: those of the target.
Result<Plan> make_plan(Session& session, const std::vector<std::string>& sources, const std::string& target,
                       const PlanOptions& options, const Report& report);

}  // namespace ross::cli::copy
