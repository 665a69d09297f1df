// ross du: what directories hold, files with several names counted once.
#include <sys/stat.h>

#include <memory>
#include <set>

#include "apps/ross/command.h"
#include "apps/ross/interrupt.h"
#include "apps/ross/present/size.h"
#include "apps/ross/walk.h"

namespace ross::cli {
namespace {

struct DuOptions {
  std::vector<std::string> paths = {":"};
  bool summarize = false;
  bool exact = false;
  unsigned depth_max = 1U << 30;
};

struct Sum {
  std::uint64_t bytes = 0;
  std::uint64_t allocated_bytes = 0;
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
};

class Counter {
 public:
  Counter(Context& context, const DuOptions& options) : context_(context), options_(options) {}

  Status count(const std::string& path) {
    auto opened = context_.open(path);
    if (!opened.has_value()) return opened.error();
    auto& [location, volume] = *opened;
    const auto attr = volume.resolve(location.path, fs::Follow::kNo);
    if (!attr.has_value()) return attr.error();
    std::set<std::uint64_t> linked;  // files with several names seen already
    std::vector<Sum> sums;           // of the directories from the root to where the walk is
    const auto add = [](Sum& to, const Sum& sum) {
      to.bytes += sum.bytes;
      to.allocated_bytes += sum.allocated_bytes;
      to.files += sum.files;
      to.directories += sum.directories;
    };
    const auto leave = [&](const Visit& visit) {
      const Sum sum = sums.back();
      sums.pop_back();
      if (!sums.empty()) add(sums.back(), sum);
      if (visit.depth == 0 || (!options_.summarize && visit.depth <= options_.depth_max)) show(visit.path, sum);
    };
    Visitor visitor;
    visitor.enter = [&](const Visit& visit) {
      Sum own;
      const bool directory = S_ISDIR(visit.attr.mode);
      if (directory || visit.attr.links < 2 || linked.insert(visit.attr.node.value).second) {
        own.bytes = directory ? 0 : visit.attr.size_bytes;
        own.allocated_bytes = visit.attr.allocated_bytes;
      }
      (directory ? own.directories : own.files) = 1;
      if (directory) {
        sums.push_back(own);
      } else if (sums.empty()) {
        show(visit.path, own);
      } else {
        add(sums.back(), own);
      }
      return true;
    };
    visitor.leave = leave;
    visitor.failed = [&](const Visit& visit, const Status& status) { context_.report(visit.path, status); };
    visitor.stopped = [&] { return interrupted() || context_.out.failed(); };
    walk(volume, Visit{location.text, {}, {}, *attr}, visitor);
    return {};
  }

 private:
  void show(const std::string& path, const Sum& sum) {
    Json json;
    put_name(json, "path", path);
    json["bytes"] = sum.bytes;
    json["allocated"] = sum.allocated_bytes;
    json["files"] = sum.files;
    json["directories"] = sum.directories;
    const std::string size = options_.exact ? std::to_string(sum.allocated_bytes) : format_size(sum.allocated_bytes);
    context_.out.item(json, fmt::format("{:>12}  {}\n", size, context_.out.name(path)));
  }

  Context& context_;
  const DuOptions& options_;
};

}  // namespace

void add_du(Commands& commands) {
  auto options = std::make_shared<DuOptions>();  // lives as long as the command that captures it
  Command& command = commands.add("du", "Show how much space directories take");
  command.option("PATH", options->paths, "What to add up (default: ROSS_URL)");
  command.flag("-s,--summarize", options->summarize, "One line for each PATH");
  command.flag("-b,--bytes", options->exact, "In bytes");
  command.option("-d,--max-depth", options->depth_max, "Lines only for directories so deep");
  command.on_run([options](Context& context) {
    Counter counter(context, *options);
    context.out.begin_list();
    Status status =
        for_each_path(context, options->paths, [&](const std::string& path) { return counter.count(path); });
    context.out.end_list();
    return status;
  });
}

}  // namespace ross::cli
