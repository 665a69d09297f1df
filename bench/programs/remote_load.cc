// remote_load: work on a container that remote_serve serves, from one thread, as one session or several.
//
//   remote_load --backend tcp --address 127.0.0.1:40000 --token TOKEN --server-pid 4711 --work read --size 1048576 --inflight 16
//
// read and write go through a file of --file-mib from its begin to its end and again, random-read reads at random places of it;
// names creates, closes, looks up and unlinks files of its own. So many calls (for names: files) as --inflight says are under
// way at any time, each a coroutine; with several tokens each of their sessions has that many. With --every-us a call begins each so
// many microseconds, whether or not the last one has ended, while fewer than --inflight are. --from-ns and --until-ns are the time (of
// CLOCK_MONOTONIC) that is measured, so that several programs measure the same; processor time is then that of the whole run.
// Prints a line of JSON; names counts create with its close, lookup and unlink as one call each.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "apps/options/options.h"
#include "base/random.h"
#include "base/units.h"
#include "client/remote_file_system.h"
#include "fabric/backends/crossing_at.h"
#include "limits/report.h"
#include "measure.h"
#include "runtime/loop.h"
#include "transports.h"

namespace ross::bench {
namespace {

struct Options {
  std::string backend = "tcp";
  std::string address;
  std::vector<std::string> tokens;
  std::string container = "bench";
  pid_t server_pid = 0;
  std::string work = "read";
  std::size_t size_bytes = 1 << 20;
  std::size_t inflight = 16;
  std::uint64_t file_mib = 1024;
  std::string file;
  std::uint64_t every_us = 0;
  std::int64_t from_ns = 0;
  std::int64_t until_ns = 0;
  double seconds = 3;
  double warm_seconds = 0.3;
  std::int64_t inline_max = -1;
  std::int64_t spin_us = 20;
};

// Processor time of another process since this was made, or 0 where there is none.
class OtherWatch {
 public:
  explicit OtherWatch(pid_t pid) {
    known_ = pid != 0 && ::clock_getcpuclockid(pid, &clock_) == 0;
    if (known_) began_ = clock_seconds(clock_);
  }
  [[nodiscard]] double cpu_seconds() const { return known_ ? clock_seconds(clock_) - began_ : 0; }

 private:
  clockid_t clock_{};
  bool known_ = false;
  double began_ = 0;
};

class Load {
 public:
  explicit Load(const Options& options);
  void run();

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  template <class T>
  T must(std::string_view doing, fs::Async<T> task) {
    Result<T> result = loop_->block_on(std::move(task));
    if (!result) give_up(doing, result.error().message());
    return *std::move(result);
  }
  void connect(const std::string& digits);
  void make_file();
  runtime::Task<Status> transfers(std::size_t worker);
  runtime::Task<Status> paced_transfers(std::size_t worker);
  fs::Async<std::uint64_t> transfer(std::size_t worker);
  runtime::Task<Status> names(std::size_t worker);
  std::uint64_t next_offset();
  // A call that began then has ended.
  void ended(std::int64_t began_ns) {
    now_ = now_ns();
    if (latencies_ != nullptr && now_ >= from_ && now_ < count_until_) latencies_->add(now_ - began_ns);
  }
  // Drives all workers until then.
  void drive(std::int64_t until_ns, Latencies* latencies);

  const Options options_;
  const fs::Credential cred_{.uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
  std::unique_ptr<runtime::Loop> loop_;
  std::vector<std::unique_ptr<fs::FileSystem>> sessions_;
  std::vector<std::unique_ptr<std::byte, Free>> buffers_;
  std::vector<fs::FileId> files_;  // one in each session
  Random random_{1};
  std::uint64_t next_ = 0;
  std::uint64_t names_made_ = 0;
  std::int64_t now_ = 0;
  std::int64_t until_ = 0;
  std::int64_t from_ = 0;  // calls that end earlier do not count
  std::int64_t count_until_ = INT64_MAX;
  std::int64_t next_slot_ = 0;
  Latencies* latencies_ = nullptr;
  Latencies late_;  // how much later than meant calls began, with --every-us
};

Load::Load(const Options& options) : options_(options) {
  loop_ = std::move(*runtime::Loop::create({.spin_ns = options.spin_us * 1000}));
  for (const std::string& token : options.tokens) connect(token);
  for (std::size_t i = 0; i < options.inflight * sessions_.size(); ++i) {
    const std::size_t room = (options.size_bytes + 4095) / 4096 * 4096;
    buffers_.emplace_back(static_cast<std::byte*>(std::aligned_alloc(4096, room)));
    std::memset(buffers_.back().get(), 'r', room);
  }
}

void Load::connect(const std::string& digits) {
  const Options& options = options_;
  auto domain = make_domain(options.backend);
  if (!domain) give_up(options.backend, domain.error().message());
  if (options.inline_max >= 0) {
    domain = std::make_unique<fabric::CrossingAt>(*std::move(domain), static_cast<std::size_t>(options.inline_max));
  }
  wire::Token token{};
  if (digits.size() != 2 * token.size()) give_up("--token", "32 digits of remote_serve");
  for (std::size_t i = 0; i < token.size(); ++i) {
    token[i] = static_cast<std::uint8_t>(std::strtoul(digits.substr(2 * i, 2).c_str(), nullptr, 16));
  }
  auto session = client::Session::connect(*std::move(domain), options.address, token,
                                          system_clock().monotonic_ns() + 10'000'000'000);
  if (!session) give_up("connecting", session.error().message());
  // As attach() has it, but that a server which goes is the end of the measurement.
  const auto is_over = [](std::int64_t) -> runtime::Task<Result<client::Recovery::Found>> {
    co_return fail(ESTALE, "the server is gone");
  };
  if (const Status status = (*session)->outlive(is_over, {}); !status.ok()) give_up("connecting", status.message());
  auto opened = client::open_container(*std::move(session), options.container);
  if (!opened) give_up("opening the container", opened.error().message());
  sessions_.push_back(*std::move(opened));
}

void Load::make_file() {
  const std::string name = options_.file.empty() ? fmt::format("file-{}", options_.file_mib) : options_.file;
  const fs::OpenFlags flags{.read = true, .write = true};
  fs::Opened opened;
  for (const auto& session : sessions_) {
    const auto made = must("create", session->create(cred_, fs::kRootNode, name, 0644, flags));
    if (files_.empty()) opened = made;
    files_.push_back(made.file);
  }
  const std::uint64_t size_bytes = options_.file_mib * kMiB;
  if (opened.attr.size_bytes == size_bytes) return;
  std::vector<char> part(4 * kMiB, 'f');
  for (std::uint64_t at = 0; at < size_bytes; at += part.size()) {
    const std::size_t step = std::min<std::uint64_t>(part.size(), size_bytes - at);
    must("fill", sessions_[0]->write(files_[0], at, memory::Memory(part.data(), step)));
  }
}

std::uint64_t Load::next_offset() {
  const std::uint64_t places = options_.file_mib * kMiB / options_.size_bytes;
  const std::uint64_t place = options_.work == "random-read" ? random_.below(places) : next_++ % places;
  return place * options_.size_bytes;
}

fs::Async<std::uint64_t> Load::transfer(std::size_t worker) {
  const std::size_t session = worker % sessions_.size();
  const memory::Memory memory(buffers_[worker].get(), options_.size_bytes);
  if (options_.work == "write") return sessions_[session]->write(files_[session], next_offset(), memory);
  return sessions_[session]->read(files_[session], next_offset(), memory);
}

runtime::Task<Status> Load::transfers(std::size_t worker) {
  do {
    const std::int64_t began = now_ns();
    const Result<std::uint64_t> moved = co_await transfer(worker);
    if (!moved) co_return moved.error();
    if (*moved != options_.size_bytes) co_return Status(EIO, "fewer bytes than asked for");
    ended(began);
  } while (now_ < until_);
  co_return Status();
}

// Who is late, by its own doing or for want of a processor, begins at once; the next call's time stays what it was.
runtime::Task<Status> Load::paced_transfers(std::size_t worker) {
  for (;;) {
    next_slot_ += static_cast<std::int64_t>(options_.every_us) * 1000;
    const std::int64_t slot = next_slot_;
    if (slot >= until_) co_return Status();
    co_await loop_->sleep_until(slot);
    const std::int64_t began = now_ns();
    if (latencies_ != nullptr && began >= from_) late_.add(began - slot);
    const Result<std::uint64_t> moved = co_await transfer(worker);
    if (!moved) co_return moved.error();
    if (*moved != options_.size_bytes) co_return Status(EIO, "fewer bytes than asked for");
    ended(began);
  }
}

runtime::Task<Status> Load::names(std::size_t worker) {
  fs::FileSystem& fs = *sessions_[worker % sessions_.size()];
  const std::string directory = fmt::format("d{}-{}", worker, now_);
  const auto made = co_await fs.mkdir(cred_, fs::kRootNode, directory, 0755);
  if (!made) co_return made.error();
  do {
    const std::string name = fmt::format("n{}", names_made_++);
    std::int64_t began = now_ns();
    const auto opened = co_await fs.create(cred_, made->node, name, 0644, {.write = true, .exclusive = true});
    if (!opened) co_return opened.error();
    if (Status closed = co_await fs.close(opened->file); !closed.ok()) co_return closed;
    ended(began);
    began = now_;
    const auto found = co_await fs.lookup(cred_, made->node, name);
    if (!found) co_return found.error();
    ended(began);
    began = now_;
    if (Status gone = co_await fs.unlink(cred_, made->node, name); !gone.ok()) co_return gone;
    ended(began);
  } while (now_ < until_);
  co_return co_await fs.rmdir(cred_, fs::kRootNode, directory);
}

void Load::drive(std::int64_t until_ns, Latencies* latencies) {
  latencies_ = latencies;
  now_ = now_ns();
  next_slot_ = now_;
  until_ = until_ns;
  std::size_t running = options_.inflight * sessions_.size();
  for (std::size_t worker = 0, count = running; worker < count; ++worker) {
    auto work = options_.work == "names" ? names(worker)
                : options_.every_us != 0 ? paced_transfers(worker)
                                         : transfers(worker);
    loop_->start(std::move(work), [&running](const Status& status) {
      if (!status.ok()) give_up("the work", status.message());
      --running;
    });
  }
  while (running > 0) loop_->wait();
}

void Load::run() {
  if (options_.work != "names") make_file();
  const auto in = [](double seconds) { return now_ns() + static_cast<std::int64_t>(seconds * 1e9); };
  const bool timed = options_.until_ns != 0;
  if (!timed) drive(in(options_.warm_seconds), nullptr);
  Latencies latencies;
  from_ = options_.from_ns;
  if (timed) count_until_ = options_.until_ns;
  const Watch watch;
  const OtherWatch server(options_.server_pid);
  drive(timed ? options_.until_ns : in(options_.seconds), &latencies);
  const double seconds = timed ? static_cast<double>(options_.until_ns - options_.from_ns) / 1e9 : watch.seconds();
  const double client_cpu = watch.cpu_seconds();
  const double server_cpu = server.cpu_seconds();
  const auto calls = static_cast<double>(latencies.count());
  const double bytes = options_.work == "names" ? 0 : calls * static_cast<double>(options_.size_bytes);
  const double gib = bytes / static_cast<double>(kGiB);
  fmt::print(
      R"({{"backend": "{}", "work": "{}", "size_bytes": {}, "inflight": {}, "seconds": {:.3f}, "ops_per_second": {:.0f}, )"
      R"("bytes_per_second": {:.0f}, "client_cpu_us_per_op": {:.2f}, "server_cpu_us_per_op": {:.2f}, )"
      R"("client_cpu_s_per_gib": {:.3f}, "server_cpu_s_per_gib": {:.3f}, "latency_us": {}, "late_us": {}}})"
      "\n",
      options_.backend, options_.work, options_.size_bytes, options_.inflight, seconds, calls / seconds,
      bytes / seconds, client_cpu / calls * 1e6, server_cpu / calls * 1e6, gib > 0 ? client_cpu / gib : 0,
      gib > 0 ? server_cpu / gib : 0, latencies.json(), late_.json());
  sessions_.clear();
}

}  // namespace
}  // namespace ross::bench

int main(int argc, char** argv) {
  ross::bench::Options options;
  ross::apps::Options line("Works on a container that is served", "remote_load");
  line.option("--backend", options.backend, "As remote_serve's");
  line.option("--address", options.address, "remote_serve's").required();
  line.option("--token", options.tokens, "remote_serve's; repeat it for several sessions").required().one_each();
  line.option("--container", options.container);
  line.option("--server-pid", options.server_pid, "Whose processor time is told, too");
  line.option("--work", options.work).one_of({"read", "write", "random-read", "names"});
  line.option("--size", options.size_bytes, "Of a call").between(1UL, 64UL << 20);
  line.option("--inflight", options.inflight).between(1UL, 4096UL);
  line.option("--file-mib", options.file_mib).between(1UL, 1UL << 20);
  line.option("--file", options.file, "Name of the file; default: by its size");
  line.option("--every-us", options.every_us, "Between the begins of two calls; default: as soon as one has ended");
  line.option("--from-ns", options.from_ns, "With --until-ns: the time that is measured, in place of --seconds");
  line.option("--until-ns", options.until_ns);
  line.option("--seconds", options.seconds).between(0.05, 600.0);
  line.option("--inline-max", options.inline_max, "Data of more bytes goes by windows; default: the backend's own");
  line.option("--spin-us", options.spin_us, "How long the loop looks before it sleeps");
  if (const auto ended = line.parse(argc, argv)) return *ended;
  ross::bench::Load(options).run();
  return 0;
}
