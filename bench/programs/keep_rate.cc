// keep_rate: what it costs to have a change survive the process: create and write, unanswered, kept, or synced.
//
//   keep_rate DIRECTORY --kind ram --files 100000
//
// Makes a pool of one device in DIRECTORY, which must not be there, and removes it. One thread, empty files or of --bytes. Each way runs in
// its own directory of one container: "none" only changes, "keep" keeps after each file, "keep_named" also has each change
// remembered, "sync" commits after each hundredth of as many files. Prints microseconds a file as JSON, and the slowest keep.
#include <algorithm>
#include <filesystem>
#include <string>

#include "apps/options/options.h"
#include "base/units.h"
#include "engine/clients.h"
#include "engine/pool.h"
#include "fs/change_id.h"
#include "measure.h"
#include "runtime/loop.h"

namespace ross::bench {
namespace {

class KeepRate {
 public:
  KeepRate(const std::string& directory, bool ram, std::uint64_t bytes)
      : directory_(directory), content_(bytes, 'x'), loop_(*runtime::Loop::create()) {
    const auto kind = ram ? engine::DeviceKind::kRam : engine::DeviceKind::kFile;
    must(engine::Pool::create(directory, {.devices = {{.kind = kind, .size_bytes = 2 * kGiB}}}));
    auto pool = engine::Pool::open(directory, {.serves_clients = true});
    if (!pool) give_up("opening the pool", pool.error().message());
    pool_ = *std::move(pool);
    must(pool_->create_container("c", {}));
    must(pool_->clients()->add({.id = {1}}));
    fs_ = *pool_->open_container("c");
  }
  ~KeepRate() {
    fs_.reset();
    must(pool_->close());
    must(engine::Pool::destroy(directory_));
  }
  KeepRate(const KeepRate&) = delete;
  KeepRate& operator=(const KeepRate&) = delete;

  std::string run(const std::string& how, std::size_t files) {
    must(pool_->sync());
    const auto parent = loop_->block_on(fs_->mkdir({}, fs::kRootNode, how, 0755));
    if (!parent) give_up("mkdir", parent.error().message());
    double slowest = 0;
    const Watch watch;
    must(loop_->block_on(all(how, parent->node, files, slowest)));
    const double seconds = watch.seconds();
    return fmt::format("\"{}\": {{\"us\": {:.2f}, \"cpu_us\": {:.2f}, \"slowest_us\": {:.0f}}}", how,
                       seconds * 1e6 / static_cast<double>(files),
                       watch.cpu_seconds() * 1e6 / static_cast<double>(files), slowest * 1e6);
  }

 private:
  static void must(const Status& status) {
    if (!status.ok()) give_up("keep_rate", status.message());
  }
  runtime::Task<Status> all(const std::string& how, fs::NodeId parent, std::size_t files, double& slowest) {
    const bool named = how == "keep_named";
    const bool keeps = named || how == "keep";
    const fs::Credential cred;
    for (std::size_t i = 0; i < files; ++i) {
      const std::string name = fmt::format("f{:07}", i);
      const auto name_next = [&](std::uint16_t slot) {
        if (named) fs::name_next_change({.client = {1}, .slot = slot, .sequence = i + 1});
      };
      name_next(0);
      auto opened = co_await fs_->create(cred, parent, name, 0644, {.write = true});
      if (!opened) co_return opened.error();
      if (!content_.empty()) {
        name_next(1);
        auto done = co_await fs_->write(opened->file, 0, memory::Memory::for_write(content_.data(), content_.size()));
        if (!done) co_return done.error();
      }
      if (Status closed = co_await fs_->close(opened->file); !closed.ok()) co_return closed;
      const Watch watch;
      if (keeps) {
        if (Status kept = co_await pool_->clients()->keep(); !kept.ok()) co_return kept;
      } else if (how == "sync") {
        if (Status synced = co_await fs_->sync(); !synced.ok()) co_return synced;
      }
      slowest = std::max(slowest, watch.seconds());
    }
    co_return Status();
  }

  const std::string directory_;
  const std::string content_;
  const std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<engine::Pool> pool_;
  std::unique_ptr<fs::FileSystem> fs_;
};

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) {
  std::string directory;
  std::string kind = "ram";
  std::size_t files = 100'000;
  std::uint64_t bytes = 0;
  ross::apps::Options line("What it costs to have a change survive the process", "keep_rate");
  line.option("DIRECTORY", directory, "Where to make the pool").required();
  line.option("--kind", kind, "The device").one_of({"ram", "file"});
  line.option("--files", files, "How many files").between(100, 10'000'000);
  line.option("--bytes", bytes, "How long they are").between(0, 1 << 20);
  if (const auto ended = line.parse(argc, argv)) return *ended;
  ross::bench::KeepRate rate(directory, kind == "ram", bytes);
  const std::string none = rate.run("none", files);
  const std::string keep = rate.run("keep", files);
  const std::string named = rate.run("keep_named", files);
  const std::string sync = rate.run("sync", files / 100);
  fmt::print("{{\"kind\": \"{}\", \"bytes\": {}, {}, {}, {}, {}}}\n", kind, bytes, none, keep, named, sync);
  return 0;
}
