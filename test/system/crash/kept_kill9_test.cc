// kill -9 of a process that serves clients: what it answered is there, and what a client sends again is done once.
//
// Each round forks a writer with a thread for each client. A client appends the numbers 1, 2, 3 ... to its file, each as a named
// change, keeps, and reports the number through a pipe. The parent kills the writer at a random moment. The next writer begins
// by judging: the file holds 1 to n without a gap or a repetition, n is what is remembered of the client, and no less than what
// was reported. It goes on behind n, as a client does that asks what was made. Commits run all the time.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/random.h"
#include "base/units.h"
#include "engine/clients.h"
#include "engine/fsck.h"
#include "engine/pool.h"
#include "fs/change_id.h"
#include "runtime/loop.h"

namespace {
std::uint64_t rounds = 40;
std::uint64_t seed = 1;
}  // namespace

namespace ross::engine {
namespace {

constexpr unsigned kClients = 3;
const char* const kContainerName = "data";

struct Report {
  std::uint32_t client = 0;
  std::uint64_t number = 0;
};

ClientId id_of(unsigned client) { return {static_cast<std::uint8_t>(client + 1)}; }
std::string file_of(unsigned client) { return "numbers" + std::to_string(client); }

PoolOptions pool_options(std::uint64_t round) {
  return {.cache_bytes = 4 * kMiB, .commit_interval_ns = round % 3 == 0 ? 50'000'000 : 500'000, .serves_clients = true};
}

[[noreturn]] void leave(const std::string& trouble) {
  if (!trouble.empty()) std::fprintf(stderr, "%s\n", trouble.c_str());
  std::fflush(stderr);
  ::_exit(trouble.empty() ? 0 : 1);
}

// One client, in the writer.
class Client {
 public:
  Client(Pool& pool, fs::FileSystem& fs, unsigned client, std::uint64_t reported)
      : pool_(pool), fs_(fs), client_(client), reported_(reported), loop_(*runtime::Loop::create()) {}

  // Empty when the file is as it has to be.
  std::string judge() {
    const auto opened =
        wait(fs_.create({}, fs::kRootNode, file_of(client_), 0644, {.read = true, .write = true, .append = true}));
    if (!opened) return "the file does not open: " + opened.error().message();
    file_ = opened->file;
    std::vector<std::uint64_t> numbers(opened->attr.size_bytes / 8 + 1);
    const auto got =
        wait(fs_.read(file_, 0, memory::Memory(reinterpret_cast<std::byte*>(numbers.data()), numbers.size() * 8)));
    if (!got) return "the file cannot be read: " + got.error().message();
    numbers.resize(*got / 8);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (numbers[i] != i + 1) return "number " + std::to_string(numbers[i]) + " stands at " + std::to_string(i + 1);
    }
    last_ = numbers.size();
    const auto changes = pool_.clients()->remembered(id_of(client_));
    if (!changes) return changes.error().message();
    const std::uint64_t made = changes->empty() ? 0 : changes->front().sequence;
    if (made != last_) return std::to_string(last_) + " are there and " + std::to_string(made) + " remembered";
    if (last_ < reported_) return std::to_string(last_) + " are there and " + std::to_string(reported_) + " answered";
    return {};
  }
  void append_for_ever(int pipe) {
    for (;;) {
      const std::uint64_t number = ++last_;
      fs::name_next_change({.client = id_of(client_), .slot = 0, .sequence = number});
      const auto done = wait(fs_.write(file_, 0, memory::Memory::for_write(reinterpret_cast<const char*>(&number), 8)));
      if (!done || *done != 8) leave("a write fails");
      if (const Status kept = wait(pool_.clients()->keep()); !kept.ok()) leave("a keep fails: " + kept.message());
      const Report report{client_, number};
      if (::write(pipe, &report, sizeof report) != static_cast<ssize_t>(sizeof report)) leave("nobody reads");
    }
  }

 private:
  template <class T>
  T wait(runtime::Task<T> task) {
    return loop_->block_on(std::move(task));
  }
  Pool& pool_;
  fs::FileSystem& fs_;
  const unsigned client_;
  const std::uint64_t reported_;
  const std::unique_ptr<runtime::Loop> loop_;
  fs::FileId file_;
  std::uint64_t last_ = 0;
};

// Judges what is there, then writes until it is killed; without a pipe it only judges.
[[noreturn]] void write_until_killed(const std::filesystem::path& directory, std::uint64_t round,
                                     const std::vector<std::uint64_t>& reported, int pipe) {
  if (round % 8 == 7) {
    const auto report = fsck(directory, pool_options(round), {.data = true});
    if (!report) leave("fsck cannot run: " + report.error().message());
    if (!report->clean()) leave("fsck: " + report->findings.front().where + ": " + report->findings.front().what);
  }
  auto pool = Pool::open(directory, pool_options(round));
  if (!pool) leave("the pool does not open: " + pool.error().message());
  auto fs = (*pool)->open_container(kContainerName);
  if (!fs) leave("no container");
  std::vector<std::unique_ptr<Client>> clients;
  for (unsigned client = 0; client < kClients; ++client) {
    if (Status added = (*pool)->clients()->add({.id = id_of(client)}); !added.ok()) leave(added.message());
    clients.push_back(std::make_unique<Client>(**pool, **fs, client, reported[client]));
    if (const std::string trouble = clients.back()->judge(); !trouble.empty()) {
      leave("client " + std::to_string(client) + ": " + trouble);
    }
  }
  if (pipe < 0) leave("");
  std::vector<std::thread> threads;
  for (const auto& client : clients) threads.emplace_back([&client, pipe] { client->append_for_ever(pipe); });
  for (std::thread& thread : threads) thread.join();
  leave("the threads ended");
}

void run(DeviceKind kind) {
  log().set_level(spdlog::level::off);
  std::string pattern = (std::filesystem::temp_directory_path() / "ross-kept-XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const std::filesystem::path directory = std::filesystem::path(pattern) / "pool";
  const auto wait_for = [](pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status;
  };
  // The parent never opens the pool, so that every fork begins without threads.
  if (const pid_t maker = ::fork(); maker == 0) {
    const PoolSpec spec{.devices = {{.kind = kind, .size_bytes = 256 * kMiB}}};
    if (Status made = Pool::create(directory, spec); !made.ok()) leave(made.message());
    auto pool = Pool::open(directory, {});
    leave(pool && (*pool)->create_container(kContainerName, {}).ok() && (*pool)->close().ok() ? "" : "no container");
  } else {
    const int status = wait_for(maker);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  Random random(seed);
  std::vector<std::uint64_t> reported(kClients);
  for (std::uint64_t round = 0; round <= rounds && !testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round << " of seed " << seed);
    const bool last = round == rounds;
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) write_until_killed(directory, round, reported, last ? -1 : pipe[1]);
    ::close(pipe[1]);
    std::thread killer;
    if (!last) {
      // From the first report on, so that most writers get to write.
      Report first;
      const bool any = ::read(pipe[0], &first, sizeof first) == static_cast<ssize_t>(sizeof first);
      EXPECT_TRUE(any) << "the writer ended by itself";
      if (any) reported[first.client] = first.number;
      const auto run_time = std::chrono::microseconds(random.below(60'000));
      killer = std::thread([writer, run_time] {
        std::this_thread::sleep_for(run_time);
        ::kill(writer, SIGKILL);
      });
    }
    Report report;
    while (::read(pipe[0], &report, sizeof report) == static_cast<ssize_t>(sizeof report)) {
      reported[report.client] = std::max(reported[report.client], report.number);
    }
    ::close(pipe[0]);
    if (killer.joinable()) killer.join();
    const int status = wait_for(writer);
    EXPECT_TRUE(last ? WIFEXITED(status) && WEXITSTATUS(status) == 0 : WIFSIGNALED(status)) << "see the sentence above";
  }
  std::uint64_t total = 0;
  for (const std::uint64_t number : reported) total += number;
  std::printf("%llu rounds, %llu changes answered\n", static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(total));
  EXPECT_GT(total, rounds * kClients);
  EXPECT_TRUE(Pool::destroy(directory).ok());
  std::error_code ignored;
  std::filesystem::remove_all(pattern, ignored);
}

TEST(KeptKill9, OnAFileWhatWasAnsweredIsThereOnce) { run(DeviceKind::kFile); }
TEST(KeptKill9, InMemoryWhatWasAnsweredIsThereOnce) { run(DeviceKind::kRam); }

}  // namespace
}  // namespace ross::engine

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const bool is_rounds = argument.starts_with("--rounds=");
    if (!is_rounds && !argument.starts_with("--seed=")) {
      std::fprintf(stderr, "kept_kill9_test: unknown argument %s\n", argv[i]);
      return 2;
    }
    const std::string_view number = argument.substr(argument.find('=') + 1);
    std::from_chars(number.data(), number.data() + number.size(), is_rounds ? rounds : seed);
  }
  return RUN_ALL_TESTS();
}
