// kill -9 under load on a file device: what was acknowledged is there, the rest is whole or absent, and the pool lives on.
//
// Each round forks a writer, which runs a seeded history on the engine and on a model in lock step and reports every step
// through a pipe, kills it at a random moment, plays the reported steps on a model of its own (and the one step that may
// have been under way), and forks a judge that opens the pool and looks for the model's state that was recovered. This
// process itself never opens the pool, so that every fork begins without threads.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
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
#include "engine/fsck.h"
#include "engine/pool.h"
#include "model/compare.h"
#include "twin.h"

namespace {
std::uint64_t rounds = 200;
std::uint64_t seed = 1;
}  // namespace

namespace ross::sim {
namespace {

constexpr std::uint64_t kDeviceBytes = 512 * kMiB;
constexpr std::uint64_t kModelBytesMax = 64 * kMiB;  // past that the next round begins with a new pool
constexpr std::size_t kModelNodesMax = 400;
const char* const kContainerName = "data";

// What the writer tells, one per step; step -1 says that the pool is open.
struct Report {
  std::int32_t step = -1;
  std::uint8_t durable = 0;
  std::uint8_t differs = 0;  // followed by a sentence on stderr
};

engine::PoolOptions pool_options(std::uint64_t round) {
  engine::PoolOptions options;
  options.cache_bytes = round % 2 == 0 ? 1 * kMiB : 32 * kMiB;
  options.commit_interval_ns = round % 3 == 0 ? 0 : 5'000'000;
  return options;
}

[[noreturn]] void leave(const std::string& trouble) {
  if (!trouble.empty()) std::fprintf(stderr, "%s\n", trouble.c_str());
  std::fflush(stderr);
  ::_exit(trouble.empty() ? 0 : 1);
}

// The writer: runs until it is killed, or until its history ends.
[[noreturn]] void write_until_killed(const std::filesystem::path& directory, std::uint64_t round,
                                     const model::ModelState& state, const std::vector<Step>& steps, int pipe) {
  auto pool = engine::Pool::open(directory, pool_options(round));
  if (!pool) leave("the writer cannot open the pool: " + pool.error().message());
  auto fs = (*pool)->open_container(kContainerName);
  auto loop = runtime::Loop::create();
  if (!fs || !loop) leave("the writer has no container or no loop");
  SimClock clock;
  Twin twin(**loop, clock, state, **fs, {.times = false});
  if (const std::string trouble = twin.match_nodes(); !trouble.empty()) leave(trouble);
  const auto tell = [pipe](const Report& report) {
    if (::write(pipe, &report, sizeof report) != static_cast<ssize_t>(sizeof report)) ::_exit(2);
  };
  tell({});
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Twin::Outcome outcome = twin.run(steps[i]);
    if (!outcome.difference.empty())
      std::fprintf(stderr, "step %zu: %s: %s\n", i, outcome.what.c_str(), outcome.difference.c_str());
    tell({static_cast<std::int32_t>(i), outcome.durable, !outcome.difference.empty()});
  }
  while (true) ::pause();
}

// The judge: prints the index of the state that was recovered into the pipe.
[[noreturn]] void judge(const std::filesystem::path& directory, std::uint64_t round,
                        const std::vector<model::ModelState>& candidates, int pipe) {
  if (round % 4 == 0) {
    engine::FsckOptions options;
    options.data = true;
    const auto report = engine::fsck(directory, pool_options(round), options);
    if (!report) leave("fsck cannot run: " + report.error().message());
    if (!report->clean()) leave("fsck: " + report->findings.front().where + ": " + report->findings.front().what);
  }
  auto pool = engine::Pool::open(directory, pool_options(round));
  if (!pool) leave("the pool does not open: " + pool.error().message());
  auto fs = (*pool)->open_container(kContainerName);
  auto loop = runtime::Loop::create();
  if (!fs || !loop) leave("the judge has no container or no loop");
  std::string first_difference;
  for (std::uint32_t i = 0; i < candidates.size(); ++i) {
    const auto different = (*loop)->block_on(model::difference(**fs, candidates[i], {.times = false}));
    if (!different) leave("what was recovered cannot be read: " + different.error().message());
    if (different->empty()) {
      fs->reset();
      if (const Status closed = (*pool)->close(); !closed.ok()) leave("the pool does not close: " + closed.message());
      if (::write(pipe, &i, sizeof i) != sizeof i) leave("the judge cannot answer");
      leave("");
    }
    if (i == 0) first_difference = *different;
  }
  leave("the state after none of the " + std::to_string(candidates.size()) +
        " steps; from the last sync it differs in: " + first_difference);
}

std::string make_pool(const std::filesystem::path& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  const pid_t child = ::fork();
  if (child == 0) {
    engine::PoolSpec spec;
    spec.devices.resize(1);
    spec.devices[0].size_bytes = kDeviceBytes;
    if (const Status made = engine::Pool::create(directory, spec); !made.ok()) leave(made.message());
    auto pool = engine::Pool::open(directory, {});
    if (!pool) leave(pool.error().message());
    if (const Status made = (*pool)->create_container(kContainerName, {}); !made.ok()) leave(made.message());
    // The root belongs to everybody.
    auto fs = (*pool)->open_container(kContainerName);
    auto loop = runtime::Loop::create();
    if (!fs || !loop) leave("no container or no loop");
    fs::SetAttr change;
    change.mode = 01777;
    const auto set = (*loop)->block_on((*fs)->setattr({}, fs::kRootNode, change));
    if (!set) leave(set.error().message());
    fs->reset();
    leave((*pool)->close().ok() ? "" : "close failed");
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "" : "the pool cannot be made";
}

model::ModelState empty_state() {
  model::ModelState state(SimClock().realtime_ns());
  state.edit(fs::kRootNode)->attr.mode |= 01777;
  return state;
}

// The steps as the writer did them, on models alone: the state at the last acknowledged sync, and after each step since. The
// step after the last reported one may have happened.
std::vector<model::ModelState> replay(const model::ModelState& state, const std::vector<Step>& steps, std::int32_t last,
                                      std::int32_t last_durable) {
  SimClock clock;
  auto loop = runtime::Loop::create({.clock = &clock});
  ROSS_CHECK(loop.has_value(), "a loop for the replay");
  model::ModelFileSystem mirror(clock, state);
  Twin twin(**loop, clock, state, mirror);
  ROSS_CHECK(twin.match_nodes().empty(), "a model equals itself");
  std::vector<model::ModelState> candidates{twin.state()};
  for (std::int32_t i = 0; i <= last + 1 && i < static_cast<std::int32_t>(steps.size()); ++i) {
    twin.run(steps[static_cast<std::size_t>(i)]);
    if (i == last_durable) candidates.clear();
    candidates.push_back(twin.state());
  }
  return candidates;
}

class Kill9 : public testing::Test {
 protected:
  void SetUp() override {
    log().set_level(spdlog::level::off);
    std::string pattern = (std::filesystem::temp_directory_path() / "ross-kill9-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }
  std::filesystem::path directory_;
};

// Reads reports until the deadline, or until the writer has opened the pool when until_open. False: it ended by itself.
bool read_reports(int pipe, std::chrono::steady_clock::time_point deadline, bool until_open, Report& last,
                  std::int32_t& last_durable, bool& differs) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd waiting{pipe, POLLIN, 0};
    if (left < 0 || ::poll(&waiting, 1, static_cast<int>(left)) == 0) return true;
    Report report;
    if (::read(pipe, &report, sizeof report) != static_cast<ssize_t>(sizeof report)) return false;
    last = report;
    if (report.durable != 0) last_durable = report.step;
    differs |= report.differs != 0;
    if (until_open && report.step == -1) return true;
  }
}

TEST_F(Kill9, WhatWasAcknowledgedSurvivesAndThePoolLivesOn) {
  Random random(seed);
  const std::filesystem::path pool = directory_ / "pool";
  model::ModelState state = empty_state();
  ASSERT_EQ(make_pool(pool), "");
  std::uint64_t steps_done = 0;
  std::uint64_t kept_unsynced = 0;
  std::uint64_t killed_in_open = 0;
  std::uint64_t lost = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    SCOPED_TRACE(testing::Message() << "round " << round << " of seed " << seed);
    if (state.used_bytes() > kModelBytesMax || state.nodes().size() > kModelNodesMax) {
      state = empty_state();
      ASSERT_EQ(make_pool(pool), "");
    }
    const std::vector<Step> steps = draw_history(random(), {.steps_min = 2000, .steps_max = 2000});
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) {
      ::close(pipe[0]);
      write_until_killed(pool, round, state, steps, pipe[1]);
    }
    ::close(pipe[1]);
    Report last;
    last.step = -2;  // not even open
    std::int32_t last_durable = -2;
    bool differs = false;
    bool alive = true;
    const auto now = [] { return std::chrono::steady_clock::now(); };
    if (random.chance(1, 10)) {
      alive = read_reports(pipe[0], now() + std::chrono::milliseconds(random.below(30)), false, last, last_durable,
                           differs);
    } else {
      alive = read_reports(pipe[0], now() + std::chrono::seconds(30), true, last, last_durable, differs);
      ASSERT_TRUE(!alive || last.step != -2) << "the pool does not open within 30 seconds";
      const auto run_time = std::chrono::microseconds(random.below(150'000));
      if (alive) alive = read_reports(pipe[0], now() + run_time, false, last, last_durable, differs);
    }
    ::kill(writer, SIGKILL);
    while (read_reports(pipe[0], now() + std::chrono::seconds(30), false, last, last_durable, differs)) {
    }
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(writer, &status, 0), writer);
    ASSERT_TRUE(alive && WIFSIGNALED(status)) << "the writer ended by itself";
    ASSERT_FALSE(differs) << "the engine answered otherwise than the model";
    killed_in_open += last.step == -2;
    steps_done += static_cast<std::uint64_t>(std::max(last.step + 1, 0));

    const std::vector<model::ModelState> candidates =
        last.step == -2 ? std::vector<model::ModelState>{state} : replay(state, steps, last.step, last_durable);
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const pid_t judging = ::fork();
    ASSERT_GE(judging, 0);
    if (judging == 0) judge(pool, round, candidates, pipe[1]);
    ::close(pipe[1]);
    std::uint32_t found = 0;
    const bool told = ::read(pipe[0], &found, sizeof found) == static_cast<ssize_t>(sizeof found);
    ::close(pipe[0]);
    ASSERT_EQ(::waitpid(judging, &status, 0), judging);
    ASSERT_TRUE(told && found < candidates.size()) << "see the sentence above";
    kept_unsynced += found > 0;
    lost += candidates.size() - 1 - found;
    state = candidates[found];
  }
  std::printf(
      "%llu rounds, %llu steps; killed while opening %llu times, something unsynced kept %llu times, %llu steps lost\n",
      static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(steps_done),
      static_cast<unsigned long long>(killed_in_open), static_cast<unsigned long long>(kept_unsynced),
      static_cast<unsigned long long>(lost));
  EXPECT_GT(steps_done, rounds) << "the writers hardly got to write";
}

}  // namespace
}  // namespace ross::sim

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const bool is_rounds = argument.starts_with("--rounds=");
    if (!is_rounds && !argument.starts_with("--seed=")) {
      std::fprintf(stderr, "kill9_test: unknown argument %s\n", argv[i]);
      return 2;
    }
    const std::string_view number = argument.substr(argument.find('=') + 1);
    std::from_chars(number.data(), number.data() + number.size(), is_rounds ? rounds : seed);
  }
  return RUN_ALL_TESTS();
}
