// shm_get: what the fabric's shm does between two processes, beside what one core's copy and a bare socket do in the same run.
//
// A client asks, a server answers: with a message (echo), with the data in the message (inline), or with the data put into
// the client's window and a message behind it (put). Each row is one kind, with so many requests under way. The server's data
// is walked in a scattered order through memory larger than any cache, as memcpy_cold.cc does; the client's buffers
// are few. The server is a child process with a loop of its own; both spin, except in the row of sleepers.
//
//   shm_get --seconds 1 --rows all        one JSON object a line
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <deque>
#include <numeric>
#include <random>

#include "apps/options/options.h"
#include "base/units.h"
#include "fabric/shm/domain.h"
#include "fabric/shm/region.h"
#include "memory/copy_bytes.h"
#include "programs/measure.h"

namespace {

using namespace ross;
using namespace ross::fabric;

constexpr ChannelLimits kLimits{.head_bytes_max = 4096, .payload_bytes_max = 1 << 20};

enum class Answer : std::uint32_t { kEcho, kInline, kPut, kPull };
enum class Place : std::uint32_t {
  kRegion,
  kOwn
};  // the client's buffers: memory that is mapped, or the kernel copies

struct Row {
  const char* name;
  Answer answer;
  std::size_t size_bytes;
  std::size_t depth;
  Place place = Place::kRegion;
  bool direct = true;
  bool sleeps = false;
};

constexpr Row kRows[] = {
    {"64 B echo, alone", Answer::kEcho, 0, 1},
    {"64 B echo", Answer::kEcho, 0, 32},
    {"4 KiB inline", Answer::kInline, 4 * kKiB, 32},
    {"4 KiB put, mapped", Answer::kPut, 4 * kKiB, 32},
    {"4 KiB put, by the kernel", Answer::kPut, 4 * kKiB, 32, Place::kOwn},
    {"4 KiB put, through the ring", Answer::kPut, 4 * kKiB, 32, Place::kOwn, false},
    {"4 KiB get, mapped", Answer::kPull, 4 * kKiB, 32},
    {"16 KiB inline", Answer::kInline, 16 * kKiB, 32},
    {"16 KiB put, mapped", Answer::kPut, 16 * kKiB, 32},
    {"16 KiB put, by the kernel", Answer::kPut, 16 * kKiB, 32, Place::kOwn},
    {"64 KiB inline", Answer::kInline, 64 * kKiB, 16},
    {"64 KiB put, mapped", Answer::kPut, 64 * kKiB, 16},
    {"64 KiB put, by the kernel", Answer::kPut, 64 * kKiB, 16, Place::kOwn},
    {"1 MiB put, mapped", Answer::kPut, kMiB, 16},
    {"1 MiB put, by the kernel", Answer::kPut, kMiB, 16, Place::kOwn},
    {"1 MiB put, through the ring", Answer::kPut, kMiB, 16, Place::kOwn, false},
    {"1 MiB get, mapped", Answer::kPull, kMiB, 16},
    {"1 MiB inline", Answer::kInline, kMiB, 16},
    {"64 B echo, both asleep", Answer::kEcho, 0, 1, Place::kRegion, true, true},
};

// 64 bytes: the head of requests and answers.
struct Head {
  std::uint64_t slot;
  Answer answer;
  std::uint32_t size_bytes;
  std::array<char, 24> key;
  std::array<std::byte, 24> rest;
};
static_assert(sizeof(Head) == 64);

template <class T>
T must(Result<T> result, const char* doing) {
  if (!result.has_value()) bench::give_up(doing, result.error().message());
  return *std::move(result);
}

void run_on_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

std::byte* map_source(std::size_t bytes) {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) bench::give_up("mapping memory", std::strerror(errno));
  madvise(data, bytes, MADV_HUGEPAGE);
  std::memset(data, 0x5a, bytes);
  return static_cast<std::byte*>(data);
}

// The pieces of a source in a scattered order.
class Source {
 public:
  Source(std::byte* data, std::size_t bytes, std::size_t piece_bytes)
      : data_(data), piece_bytes_(piece_bytes), order_(bytes / piece_bytes) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::shuffle(order_.begin(), order_.end(), std::mt19937_64(1));
  }
  std::byte* next() { return data_ + order_[at_++ % order_.size()] * piece_bytes_; }

 private:
  std::byte* const data_;
  const std::size_t piece_bytes_;
  std::vector<std::size_t> order_;
  std::size_t at_ = 0;
};

// ---- the server ----

class Server final : public Acceptor, public Receiver {
  struct Slot;

 public:
  Server(const Row& row, std::byte* source, std::size_t source_bytes)
      : row_(row), source_(source, source_bytes, std::max<std::size_t>(row.size_bytes, 64)), slots_(row.depth) {
    for (Slot& slot : slots_) {
      slot.reply.head.resize(sizeof(Head));
      slot.reply.sent = [](Outgoing&, bool) {};
      slot.transfer.done = [](Transfer& self, int error) {
        if (error != 0 && error != ESHUTDOWN) bench::give_up("transferring", std::strerror(error));
        auto& by = *static_cast<Move&>(self).slot;
        by.moving = false;
        if (error == 0 && by.reply_after) by.server->channel_->send(by.reply);
        if (error == 0 && std::exchange(by.asked_again, false)) by.server->move(by);
      };
      slot.transfer.slot = &slot;
      slot.server = this;
    }
  }
  void on_channel(std::unique_ptr<Channel> channel) override {
    channel_ = std::move(channel);
    channel_->start(*this);
  }
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t) override {
    std::memcpy(&head_, head.data(), sizeof head_);
    return memory::Memory();
  }
  Status on_message() override {
    Slot& slot = slots_[head_.slot];
    slot.answer = head_.answer;
    std::memcpy(slot.reply.head.data(), &head_, sizeof head_);
    slot.reply.payload = memory::Memory();
    switch (head_.answer) {
      case Answer::kEcho:
        break;
      case Answer::kInline:
        slot.reply.payload = memory::Memory(source_.next(), head_.size_bytes);
        break;
      case Answer::kPut:
      case Answer::kPull:
        slot.window.size_bytes = head_.size_bytes;
        slot.window.key.assign(head_.key.data(), head_.key.size());
        // The answer may overtake the word that the put is over.
        if (slot.moving) {
          slot.asked_again = true;
        } else {
          move(slot);
        }
        return {};
    }
    channel_->send(slot.reply);
    return {};
  }
  void on_closed(const Status&) override { closed = true; }
  void move(Slot& slot) {
    slot.moving = true;
    slot.transfer.local = memory::Memory(source_.next(), slot.window.size_bytes);
    slot.transfer.window = &slot.window;
    slot.reply_after = slot.answer == Answer::kPull;
    if (slot.reply_after) return channel_->get(slot.transfer);
    channel_->put(slot.transfer);
    channel_->send(slot.reply);
  }
  void forget() { channel_.reset(); }
  bool closed = false;

 private:
  struct Move : Transfer {
    Slot* slot = nullptr;
  };
  struct Slot {
    Outgoing reply;
    Move transfer;
    Window window;
    Server* server = nullptr;
    Answer answer = Answer::kEcho;
    bool reply_after = false;
    bool moving = false;
    bool asked_again = false;
  };
  const Row& row_;
  Source source_;
  std::deque<Slot> slots_;
  std::unique_ptr<Channel> channel_;
  Head head_{};
};

runtime::Loop::Options loop_options(const Row& row) {
  runtime::Loop::Options options;
  if (row.sleeps) options.spin_ns = 0;
  return options;
}

[[noreturn]] void serve(const Row& row, const std::string& path, int ready, std::byte* source,
                        std::size_t source_bytes) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  run_on_core(1);
  auto loop = must(runtime::Loop::create(loop_options(row)), "making a loop");
  auto domain = must(shm::make_domain({.direct = row.direct}), "making a domain");
  Server server(row, source, source_bytes);
  auto endpoint = must(domain->open(*loop, {.limits = kLimits, .listen = path, .acceptor = &server}), "listening");
  if (::write(ready, "r", 1) != 1) bench::give_up("telling", "nobody listens");
  while (!server.closed) loop->wait();
  server.forget();
  endpoint.reset();
  const double cpu = bench::clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
  if (::write(ready, &cpu, sizeof cpu) != sizeof cpu) _exit(1);
  _exit(0);
}

// ---- the client ----

class Client final : public Receiver {
 public:
  Client(const Row& row, std::byte* buffers) : row_(row), buffers_(buffers), slots_(row.depth) {}

  void begin(std::unique_ptr<Channel> channel, Endpoint& endpoint) {
    channel_ = std::move(channel);
    channel_->start(*this);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      Slot& slot = slots_[i];
      Head head{.slot = i, .answer = row_.answer, .size_bytes = static_cast<std::uint32_t>(row_.size_bytes)};
      if (row_.answer >= Answer::kPut) {
        slot.window = must(endpoint.expose({.memory = {buffer(i), row_.size_bytes},
                                            .access = row_.answer == Answer::kPut ? Access::kWrite : Access::kRead,
                                            .region = region,
                                            .only_for = channel_.get()}),
                           "exposing");
        std::memcpy(head.key.data(), slot.window.key.data(), head.key.size());
      }
      slot.request.head.resize(sizeof head);
      std::memcpy(slot.request.head.data(), &head, sizeof head);
      slot.request.sent = [](Outgoing&, bool) {};
      channel_->send(slot.request);
    }
  }
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    Head answer;
    std::memcpy(&answer, head.data(), sizeof answer);
    slot_ = answer.slot;
    return payload_bytes > 0 ? memory::Memory(buffer(slot_), payload_bytes) : memory::Memory();
  }
  Status on_message() override {
    ++done;
    if (row_.size_bytes > 0) seen += std::to_integer<unsigned>(buffer(slot_)[row_.size_bytes - 1]);
    channel_->send(slots_[slot_].request);
    return {};
  }
  void on_closed(const Status&) override { closed = true; }
  void end(runtime::Loop& loop, Endpoint& endpoint) {
    channel_->close();
    while (!closed) loop.wait();
    for (Slot& slot : slots_) {
      if (slot.window.exposed()) endpoint.revoke(slot.window);
    }
    channel_.reset();
  }

  const Region* region = nullptr;
  std::size_t done = 0;
  unsigned seen = 0;
  bool closed = false;

 private:
  std::byte* buffer(std::size_t slot) const { return buffers_ + slot * std::max<std::size_t>(row_.size_bytes, 64); }
  struct Slot {
    Outgoing request;
    Window window;
  };
  const Row& row_;
  std::byte* const buffers_;
  std::deque<Slot> slots_;
  std::unique_ptr<Channel> channel_;
  std::size_t slot_ = 0;
};

void run_row(const Row& row, const std::string& directory, double seconds_wanted, std::byte* source,
             std::size_t source_bytes) {
  const std::string path = directory + "/row.sock";
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) bench::give_up("making a pipe", std::strerror(errno));
  const pid_t child = ::fork();
  if (child == 0) serve(row, path, ready[1], source, source_bytes);
  char told = 0;
  if (::read(ready[0], &told, 1) != 1) bench::give_up("starting the server", "it ended");

  auto loop = must(runtime::Loop::create(loop_options(row)), "making a loop");
  auto domain = must(shm::make_domain({.direct = row.direct}), "making a domain");
  auto endpoint = must(domain->open(*loop, {.limits = kLimits, .listen = {}, .acceptor = nullptr}), "opening");
  const std::size_t bytes = row.depth * std::max<std::size_t>(row.size_bytes, 64);
  std::vector<std::byte> own(row.place == Place::kOwn ? bytes : 0);
  std::unique_ptr<Region> region = row.place == Place::kOwn ? must(domain->add_region(own), "registering")
                                                            : must(shm::allocate_region(bytes), "allocating");
  std::memset(region->memory().data(), 0, bytes);
  Client client(row, region->memory().data());
  client.region = region.get();
  auto connecting = [&]() -> runtime::Task<Result<std::unique_ptr<Channel>>> {
    co_return co_await connect(*endpoint, path, loop->clock().monotonic_ns() + 5'000'000'000);
  };
  client.begin(must(loop->block_on(connecting()), "connecting"), *endpoint);
  const auto run_for = [&](double seconds) {
    const bench::Watch watch;
    while (watch.seconds() < seconds) {
      for (int i = 0; i < 16; ++i) loop->wait();
    }
  };
  run_for(seconds_wanted / 5);
  const std::size_t before = client.done;
  const bench::Watch watch;
  run_for(seconds_wanted);
  const double seconds = watch.seconds();
  const double rate = static_cast<double>(client.done - before) / seconds;
  client.end(*loop, *endpoint);
  endpoint.reset();
  region.reset();
  double server_cpu = 0;
  [[maybe_unused]] const auto got = ::read(ready[0], &server_cpu, sizeof server_cpu);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  fmt::print("{{\"row\": \"{}\", \"per_second\": {:.0f}, \"us_each\": {:.2f}, \"gib_per_second\": {:.2f}}}\n", row.name,
             rate, static_cast<double>(row.depth) * 1e6 / rate,
             rate * static_cast<double>(row.size_bytes) / static_cast<double>(kGiB));
  std::fflush(stdout);
}

// ---- what it is compared with ----

void cold_copies(std::byte* source, std::size_t source_bytes, double seconds_wanted) {
  for (const std::size_t piece : {std::size_t{4} * kKiB, std::size_t{kMiB}}) {
    std::vector<std::byte> ring(16 * piece + 64);
    Source pieces(source, source_bytes, piece);
    std::size_t count = 0;
    const bench::Watch watch;
    while (watch.seconds() < seconds_wanted) {
      for (std::size_t i = 0; i < 16; ++i, ++count) memory::copy_bytes(ring.data() + i * piece, pieces.next(), piece);
    }
    fmt::print("{{\"row\": \"copy of cold memory, {} KiB\", \"gib_per_second\": {:.2f}}}\n", piece / kKiB,
               static_cast<double>(count * piece) / watch.seconds() / static_cast<double>(kGiB));
  }
}

void socket_round_trips(double seconds_wanted) {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) bench::give_up("sockets", std::strerror(errno));
  const pid_t child = ::fork();
  std::array<char, 64> bytes{};
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run_on_core(1);
    ::close(fds[0]);
    while (::read(fds[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) {
      if (::write(fds[1], bytes.data(), bytes.size()) < 0) break;
    }
    _exit(0);
  }
  ::close(fds[1]);
  std::size_t count = 0;
  const bench::Watch watch;
  for (; watch.seconds() < seconds_wanted; ++count) {
    if (::write(fds[0], bytes.data(), bytes.size()) < 0 || ::read(fds[0], bytes.data(), bytes.size()) <= 0) break;
  }
  fmt::print("{{\"row\": \"64 B over a blocking Unix socket pair\", \"us_each\": {:.2f}}}\n",
             watch.seconds() * 1e6 / static_cast<double>(count));
  ::close(fds[0]);
  ::waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 1;
  std::size_t source_mib = 512;
  std::string only;
  ross::apps::Options line("The fabric's shm between two processes", "shm_get");
  line.option("--seconds", seconds, "Of each row").between(0.05, 60.0);
  line.option("--source-mib", source_mib, "The server's data").between(64, 65536);
  line.option("--only", only, "Rows whose name contains this");
  if (const auto ended = line.parse(argc, argv)) return *ended;
  char directory[] = "/tmp/ross-shm-get-XXXXXX";
  if (::mkdtemp(directory) == nullptr) bench::give_up("making a directory", std::strerror(errno));
  run_on_core(0);
  std::byte* const source = map_source(source_mib * kMiB);
  cold_copies(source, source_mib * kMiB, seconds);
  socket_round_trips(seconds);
  for (const Row& row : kRows) {
    if (std::string_view(row.name).find(only) != std::string_view::npos) {
      run_row(row, directory, seconds, source, source_mib * kMiB);
    }
  }
  ::rmdir(directory);
  return 0;
}
