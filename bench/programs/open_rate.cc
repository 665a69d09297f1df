// open_rate: how many files a second are opened, looked at and closed, many calls in flight.
//
//   open_rate URL --files 100000 --make      makes the files, in directories of a thousand
//   open_rate URL --files 100000             opens each by its name, reads its attributes, closes it; prints the rate as JSON
//
// URL is a container, also one behind a server or an agent.
#include <unistd.h>

#include <string>
#include <vector>

#include "apps/options/options.h"
#include "measure.h"
#include "mounted.h"

namespace ross::bench {
namespace {

constexpr std::uint64_t kFilesOfADirectory = 1000;

struct Setting {
  std::string url;
  std::uint64_t files = 100'000;
  std::uint64_t inflight = 32;
  bool make = false;
};

class Opener {
 public:
  explicit Opener(const Setting& setting) : setting_(setting), mounted_(setting.url) {
    const std::uint64_t directories = (setting.files + kFilesOfADirectory - 1) / kFilesOfADirectory;
    for (std::uint64_t i = 0; i < directories; ++i) {
      const std::string name = fmt::format("opened-{}", i);
      directories_.push_back(setting.make ? mounted_.must("mkdir", fs().mkdir(cred_, fs::kRootNode, name, 0755)).node
                                          : mounted_.must("lookup", fs().lookup(cred_, fs::kRootNode, name)).node);
    }
  }

  // Files a second.
  double run() {
    const Watch watch;
    std::uint64_t running = setting_.inflight;
    for (std::uint64_t lane = 0; lane < setting_.inflight; ++lane) {
      mounted_.loop().start(work(), [&running](const Status& status) {
        if (!status.ok()) give_up("the work", status.message());
        --running;
      });
    }
    while (running > 0) mounted_.loop().wait();
    return static_cast<double>(setting_.files) / watch.seconds();
  }

  void close() { mounted_.close(); }

 private:
  fs::FileSystem& fs() { return mounted_.fs(); }

  // Takes one file after the other until there is none left.
  runtime::Task<Status> work() {
    while (next_ < setting_.files) {
      const std::uint64_t file = next_++;
      const fs::NodeId directory = directories_[file / kFilesOfADirectory];
      const std::string name = fmt::format("f{}", file % kFilesOfADirectory);
      fs::FileId opened;
      if (setting_.make) {
        const auto made = co_await fs().create(cred_, directory, name, 0644, {.write = true, .exclusive = true});
        if (!made) co_return made.error();
        opened = made->file;
      } else {
        const auto found = co_await fs().lookup(cred_, directory, name);
        if (!found) co_return found.error();
        const auto open = co_await fs().open(cred_, found->node, {.read = true});
        if (!open) co_return open.error();
        opened = open->file;
        const auto attr = co_await fs().getattr(found->node);
        if (!attr) co_return attr.error();
      }
      if (Status closed = co_await fs().close(opened); !closed.ok()) co_return closed;
    }
    co_return Status();
  }

  const Setting setting_;
  const fs::Credential cred_{.uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
  Mounted mounted_;
  std::vector<fs::NodeId> directories_;
  std::uint64_t next_ = 0;
};

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) {
  ross::bench::Setting setting;
  ross::apps::Options line("Opens, stats and closes files, many at a time", "open_rate");
  line.option("URL", setting.url, "A container").required();
  line.option("--files", setting.files, "How many").between(1, 100'000'000);
  line.option("--inflight", setting.inflight, "Calls at a time").between(1, 4096);
  line.flag("--make", setting.make, "Make the files instead");
  if (const auto ended = line.parse(argc, argv)) return *ended;
  ross::bench::Opener opener(setting);
  const double rate = opener.run();
  opener.close();
  fmt::print("{{\"files_per_s\": {:.0f}}}\n", rate);
  return 0;
}
