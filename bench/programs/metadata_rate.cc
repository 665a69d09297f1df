// metadata_rate: create, stat and unlink of empty files, one thread, by the operating system's calls or by ROSS.
//
//   metadata_rate posix /dev/shm/place       openat and close, fstatat, unlinkat in directories below place
//   metadata_rate ross local:/pool/bench     create and close, lookup, unlink in directories of the container
//
// Both sides hold the directories (as descriptors, as node ids) and give each call a directory and a name, make the same
// names in the same order, and time the same three loops. Making and removing the directories is not timed.
// Prints the seconds and the processor seconds of each loop as JSON.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "apps/options/options.h"
#include "measure.h"
#include "mounted.h"

namespace ross::bench {
namespace {

class PosixSide {
 public:
  explicit PosixSide(const std::string& place) : place_(place) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }

  void make_directory(const std::string& name) {
    const std::string path = place_ + "/" + name;
    if (mkdir(path.c_str(), 0755) != 0) stop("mkdir");
    directories_.push_back(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directories_.back() < 0) stop("opening a directory");
  }
  void create(std::size_t directory, const std::string& name) {
    const int fd = openat(directories_[directory], name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || close(fd) != 0) stop("create");
  }
  void stat(std::size_t directory, const std::string& name) {
    struct stat about {};
    if (fstatat(directories_[directory], name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) stop("stat");
  }
  void unlink(std::size_t directory, const std::string& name) {
    if (unlinkat(directories_[directory], name.c_str(), 0) != 0) stop("unlink");
  }
  void finish(const std::vector<std::string>& directories) {
    for (const int fd : directories_) close(fd);
    for (const std::string& name : directories) rmdir((place_ + "/" + name).c_str());
  }

 private:
  [[noreturn]] static void stop(const char* what) { give_up(what, std::strerror(errno)); }
  const std::string place_;
  std::vector<int> directories_;
};

class RossSide {
 public:
  explicit RossSide(const std::string& url) : mounted_(url) {}

  void make_directory(const std::string& name) {
    directories_.push_back(mounted_.must("mkdir", mounted_.fs().mkdir(cred_, fs::kRootNode, name, 0755)).node);
  }
  void create(std::size_t directory, const std::string& name) {
    const fs::OpenFlags flags{.write = true, .exclusive = true};
    const auto opened =
        mounted_.must("create", mounted_.fs().create(cred_, directories_[directory], name, 0644, flags));
    mounted_.must("close", mounted_.fs().close(opened.file));
  }
  void stat(std::size_t directory, const std::string& name) {
    mounted_.must("stat", mounted_.fs().lookup(cred_, directories_[directory], name));
  }
  void unlink(std::size_t directory, const std::string& name) {
    mounted_.must("unlink", mounted_.fs().unlink(cred_, directories_[directory], name));
  }
  void finish(const std::vector<std::string>& directories) {
    for (const std::string& name : directories) {
      mounted_.must("rmdir", mounted_.fs().rmdir(cred_, fs::kRootNode, name));
    }
    mounted_.close();
  }

 private:
  Mounted mounted_;
  const fs::Credential cred_;
  std::vector<fs::NodeId> directories_;
};

template <class Side>
void measure(Side side, std::size_t directories, std::size_t files) {
  std::vector<std::string> directory_names;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < directories; ++i) directory_names.push_back(fmt::format("d{:04}", i));
  for (std::size_t i = 0; i < files / directories; ++i) names.push_back(fmt::format("f{:06}", i));
  for (const std::string& name : directory_names) side.make_directory(name);

  std::string parts;
  const auto time_loop = [&](const char* what, auto&& call) {
    const Watch watch;
    for (std::size_t directory = 0; directory < directories; ++directory) {
      for (const std::string& name : names) call(directory, name);
    }
    parts += fmt::format("\"{}\": {{\"seconds\": {:.6f}, \"cpu_seconds\": {:.6f}}}, ", what, watch.seconds(),
                         watch.cpu_seconds());
  };
  time_loop("create", [&](std::size_t directory, const std::string& name) { side.create(directory, name); });
  time_loop("stat", [&](std::size_t directory, const std::string& name) { side.stat(directory, name); });
  time_loop("unlink", [&](std::size_t directory, const std::string& name) { side.unlink(directory, name); });
  side.finish(directory_names);
  fmt::print("{{{}\"files\": {}, \"peak_resident_bytes\": {}}}\n", parts, directories * names.size(),
             memory_bytes("VmHWM"));
}

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) {
  std::size_t directories = 1000;
  std::size_t files = 1'000'000;
  std::string side;
  std::string place;
  ross::apps::Options line("Creates, stats and unlinks empty files", "metadata_rate");
  line.option("--directories", directories, "Into how many directories the files go").between(1, 100000);
  line.option("--files", files, "How many files").between(1, 100'000'000);
  line.option("SIDE", side, "posix: by the operating system's calls; ross: through ROSS")
      .required()
      .one_of({"posix", "ross"});
  line.option("PLACE", place, "An empty directory, or the URL of an empty container").required();
  if (const auto ended = line.parse(argc, argv)) return *ended;
  if (side == "posix") {
    ross::bench::measure(ross::bench::PosixSide(place), directories, files);
  } else {
    ross::bench::measure(ross::bench::RossSide(place), directories, files);
  }
  return 0;
}
