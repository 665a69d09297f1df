// pool_fill: makes many files in a container, and tells what calls cost in it and how much memory the process takes.
//
//   pool_fill local:/pool/bench --files 1000000 --size 4096 --read-all
//   pool_fill local:/pool/bench --from 10000 --files 100000 --size 4096 --data-every 10 --probe 10000
//
// Files --from to --files are made, 1,000 to a directory; every --data-every'th holds --size bytes, the others none. --probe
// then times batches of that many calls on files spread over all of the container, each call the whole of what a program
// pays for it (read: lookup, open, read, close). "near" calls go to a fixed set of files that the caches hold after a first
// round, "far" ones to any file. Prints JSON.
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "apps/options/options.h"
#include "base/random.h"
#include "measure.h"
#include "mounted.h"

namespace ross::bench {
namespace {

constexpr std::uint64_t kFilesPerDirectory = 1000;
// A working set is what a program keeps using: the files with data of as many directories as the smallest pool has, picked
// from all over the pool. So it is equally large however many files there are.
constexpr std::uint64_t kNearDirectories = 10;

struct Options {
  std::string url;
  std::uint64_t from = 0;
  std::uint64_t files = 1'000'000;
  std::uint64_t size_bytes = 4096;
  std::uint64_t data_every = 1;
  bool read_all = false;
  std::uint64_t probe = 0;
  int batches = 5;
};

class Filled {
 public:
  explicit Filled(const Options& options) : options_(options), mounted_(options.url), bytes_(options.size_bytes) {}

  void run();

 private:
  static std::string directory_name(std::uint64_t index) { return fmt::format("d{:06}", index); }
  static std::string file_name(std::uint64_t file) { return fmt::format("f{:03}", file % kFilesPerDirectory); }
  [[nodiscard]] fs::NodeId directory_of(std::uint64_t file) const { return directories_[file / kFilesPerDirectory]; }
  [[nodiscard]] bool has_data(std::uint64_t file) const {
    return options_.size_bytes > 0 && file % options_.data_every == 0;
  }

  void find_directories();
  void make(std::uint64_t file);
  void stat(std::uint64_t file);
  void read(std::uint64_t file);
  void sync() { mounted_.must("sync", mounted_.fs().sync()); }
  void probe();
  // Times batches of calls; before each, prepare() without timing it.
  void time(const char* what, const std::function<void()>& prepare, const std::function<void(std::uint64_t)>& call);

  const Options options_;
  Mounted mounted_;
  const fs::Credential cred_;
  std::vector<fs::NodeId> directories_;
  std::vector<char> bytes_;
  std::string probes_;
};

void Filled::find_directories() {
  const std::uint64_t there = (options_.from + kFilesPerDirectory - 1) / kFilesPerDirectory;
  const std::uint64_t wanted = (options_.files + kFilesPerDirectory - 1) / kFilesPerDirectory;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const std::string name = directory_name(i);
    auto attr = i < there ? mounted_.must(name, mounted_.fs().lookup(cred_, fs::kRootNode, name))
                          : mounted_.must(name, mounted_.fs().mkdir(cred_, fs::kRootNode, name, 0755));
    directories_.push_back(attr.node);
  }
}

void Filled::make(std::uint64_t file) {
  const std::string name = file_name(file);
  const fs::OpenFlags flags{.write = true, .exclusive = true};
  const auto opened = mounted_.must("create", mounted_.fs().create(cred_, directory_of(file), name, 0644, flags));
  if (has_data(file)) {
    // No two files alike, so that nothing below can store them once.
    std::copy_n(reinterpret_cast<const char*>(&file), std::min(sizeof file, bytes_.size()), bytes_.begin());
    const auto memory = memory::Memory::for_write(bytes_.data(), bytes_.size());
    mounted_.must("write", mounted_.fs().write(opened.file, 0, memory));
  }
  mounted_.must("close", mounted_.fs().close(opened.file));
}

void Filled::stat(std::uint64_t file) {
  const std::string name = file_name(file);
  const auto attr = mounted_.must("stat", mounted_.fs().lookup(cred_, directory_of(file), name));
  if (attr.size_bytes != (has_data(file) ? options_.size_bytes : 0)) give_up("stat", "a file has a wrong size");
}

void Filled::read(std::uint64_t file) {
  const std::string name = file_name(file);
  const fs::OpenFlags flags{.read = true};
  const auto attr = mounted_.must("lookup", mounted_.fs().lookup(cred_, directory_of(file), name));
  const auto opened = mounted_.must("open", mounted_.fs().open(cred_, attr.node, flags));
  const memory::Memory memory(bytes_.data(), bytes_.size());
  const std::uint64_t bytes = mounted_.must("read", mounted_.fs().read(opened.file, 0, memory));
  if (bytes != bytes_.size() || !std::equal(bytes_.begin(), bytes_.begin() + 8, reinterpret_cast<const char*>(&file))) {
    give_up("read", "a file does not hold what was written");
  }
  mounted_.must("close", mounted_.fs().close(opened.file));
}

void Filled::time(const char* what, const std::function<void()>& prepare,
                  const std::function<void(std::uint64_t)>& call) {
  std::string wall;
  std::string cpu;
  for (int batch = 0; batch < options_.batches; ++batch) {
    prepare();
    const Watch watch;
    for (std::uint64_t i = 0; i < options_.probe; ++i) call(i);
    const auto calls = static_cast<double>(options_.probe);
    wall += fmt::format("{}{:.3f}", batch == 0 ? "" : ", ", watch.seconds() / calls * 1e6);
    cpu += fmt::format("{}{:.3f}", batch == 0 ? "" : ", ", watch.cpu_seconds() / calls * 1e6);
  }
  probes_ += fmt::format("{}\"{}\": {{\"us\": [{}], \"cpu_us\": [{}]}}", probes_.empty() ? "" : ", ", what, wall, cpu);
}

void Filled::probe() {
  Random random(options_.files);
  const auto any = [&] { return random.below(options_.files); };
  const auto with_data = [&](std::uint64_t file) { return file / options_.data_every * options_.data_every; };
  std::vector<std::uint64_t> near;
  const std::uint64_t directories = std::min<std::uint64_t>(kNearDirectories, directories_.size());
  for (std::uint64_t i = 0; i < directories; ++i) {
    // One out of each tenth of the pool, so that none is picked twice.
    const std::uint64_t begin = directories_.size() * i / directories;
    const std::uint64_t end = directories_.size() * (i + 1) / directories;
    const std::uint64_t first = (begin + random.below(end - begin)) * kFilesPerDirectory;
    const std::uint64_t last = std::min(first + kFilesPerDirectory, options_.files);
    for (std::uint64_t file = with_data(first + options_.data_every - 1); file < last; file += options_.data_every) {
      near.push_back(file);
    }
  }
  std::vector<std::uint64_t> order(options_.probe);
  const auto choose_near = [&] {
    for (std::uint64_t& file : order) file = near[random.below(near.size())];
  };
  const auto choose_far = [&] {
    for (std::uint64_t& file : order) file = with_data(any());
  };
  for (const std::uint64_t file : near) options_.size_bytes > 0 ? read(file) : stat(file);
  time("stat near", choose_near, [&](std::uint64_t i) { stat(order[i]); });
  if (options_.size_bytes > 0) time("read near", choose_near, [&](std::uint64_t i) { read(order[i]); });
  time("stat far", choose_far, [&](std::uint64_t i) { stat(order[i]); });
  if (options_.size_bytes > 0) time("read far", choose_far, [&](std::uint64_t i) { read(order[i]); });

  // New names in directories all over the tree. Each batch is unlinked before the next, so that the count stays.
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < options_.probe; ++i) names.push_back(fmt::format("new{}", i));
  const auto create = [&](std::uint64_t i) {
    const fs::OpenFlags flags{.write = true, .exclusive = true};
    const auto opened =
        mounted_.must("create", mounted_.fs().create(cred_, directory_of(order[i]), names[i], 0644, flags));
    mounted_.must("close", mounted_.fs().close(opened.file));
  };
  const auto unlink = [&](std::uint64_t i) {
    mounted_.must("unlink", mounted_.fs().unlink(cred_, directory_of(order[i]), names[i]));
  };
  const auto each = [&](const std::function<void(std::uint64_t)>& call) {
    for (std::uint64_t i = 0; i < options_.probe; ++i) call(i);
  };
  bool made = false;
  time(
      "create",
      [&] {
        if (made) each(unlink);
        made = true;
        choose_far();
        sync();
      },
      create);
  bool first = true;
  time(
      "unlink",
      [&] {
        if (!first) each(create);
        first = false;
        sync();
      },
      unlink);
}

void Filled::run() {
  const Watch filling;
  find_directories();
  for (std::uint64_t file = options_.from; file < options_.files; ++file) make(file);
  const double fill_seconds = filling.seconds();
  const double fill_cpu_seconds = filling.cpu_seconds();
  sync();
  const double synced_seconds = filling.seconds();
  const std::uint64_t filled_resident = memory_bytes("VmRSS");

  const Watch reading;
  if (options_.read_all) {
    for (std::uint64_t file = 0; file < options_.files; ++file) has_data(file) ? read(file) : stat(file);
  }
  const double read_seconds = reading.seconds();
  if (options_.probe > 0) probe();
  const std::uint64_t resident = memory_bytes("VmRSS");
  const std::uint64_t peak = memory_bytes("VmHWM");
  mounted_.close();
  fmt::print(
      "{{\"files\": {}, \"made\": {}, \"fill_seconds\": {:.6f}, \"fill_cpu_seconds\": {:.6f}, "
      "\"synced_seconds\": {:.6f}, \"read_all_seconds\": {:.6f}, \"filled_resident_bytes\": {}, "
      "\"resident_bytes\": {}, \"peak_resident_bytes\": {}, \"probes\": {{{}}}}}\n",
      options_.files, options_.files - options_.from, fill_seconds, fill_cpu_seconds, synced_seconds,
      options_.read_all ? read_seconds : 0.0, filled_resident, resident, peak, probes_);
}

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) {
  ross::bench::Options options;
  ross::apps::Options line("Fills a container with files and measures in it", "pool_fill");
  line.option("URL", options.url, "The container").required();
  line.option("--from", options.from, "How many files an earlier run made");
  line.option("--files", options.files, "How many there are to be").between(1UL, 1'000'000'000UL);
  line.option("--size", options.size_bytes, "Bytes in a file that has any").between(0UL, 1UL << 30);
  line.option("--data-every", options.data_every, "Every how many files one has data").between(1UL, 1000UL);
  line.flag("--read-all", options.read_all, "Then read every file back and compare");
  line.option("--probe", options.probe, "Then time batches of so many calls");
  line.option("--batches", options.batches, "How many batches of each call").between(1, 1000);
  if (const auto ended = line.parse(argc, argv)) return *ended;
  if (options.size_bytes > 0 && options.size_bytes < 8) ross::bench::give_up("--size", "0, or at least 8 bytes");
  if (options.from > options.files) ross::bench::give_up("--from", "more than --files");
  ross::bench::Filled(options).run();
  return 0;
}
