// Goal: a tenant's limit is met within 5 %, from below and from above, whatever the size and number of its requests; and principals that
// want more than the server gives share it by weight, through the whole of a server.
// Method: a server and its clients on one loop in simulated time, so that nothing depends on the machine. Links delay by up to half a
// millisecond. The pool that is served takes a time for each read, one after the other, where it is to be what holds back.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.h"
#include "base/random_bytes.h"
#include "base/units.h"
#include "capi/gated_file_system.h"
#include "client/remote_file_system.h"
#include "fabric/sim/network.h"
#include "identity/directory.h"
#include "model_pool.h"
#include "self.h"
#include "server/server.h"

namespace ross::server {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
using remote_test::kSelf;

fabric::sim::LinkOptions link() {
  fabric::sim::LinkOptions options;
  options.latency_ns_min = 20'000;
  options.latency_ns_max = 500'000;
  return options;
}

// A device that does one read after the other.
class SlowFileSystem final : public capi_test::GatedFileSystem {
 public:
  struct Device {
    runtime::Loop* loop = nullptr;
    std::int64_t ns_per_call = 0;
    std::int64_t ns_per_kib = 0;
    std::int64_t busy_until_ns = 0;
  };
  SlowFileSystem(fs::FileSystem& below, Device& device) : GatedFileSystem(below), device_(device) {}
  fs::Async<std::uint64_t> read(fs::FileId file, std::uint64_t offset, memory::Memory into) override {
    const auto kib = static_cast<std::int64_t>(into.size_bytes() / kKiB);
    device_.busy_until_ns = std::max(device_.busy_until_ns, device_.loop->clock().monotonic_ns()) +
                            device_.ns_per_call + kib * device_.ns_per_kib;
    co_await device_.loop->sleep_until(device_.busy_until_ns);
    co_return co_await GatedFileSystem::read(file, offset, into);
  }

 private:
  Device& device_;
};

class SlowPool final : public remote_test::ModelPool {
 public:
  SlowPool(Clock& clock, SlowFileSystem::Device& device) : ModelPool(clock), device_(device) {}
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) override {
    return std::make_unique<SlowFileSystem>(at(std::string(name)).gate, device_);
  }

 private:
  SlowFileSystem::Device& device_;
};

class LimitsTest : public ::testing::Test {
 protected:
  ~LimitsTest() override {
    sessions.clear();
    server.reset();
  }
  void start(std::vector<identity::Tenant> known) {
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    tenants = *identity::Directory::open({.tenants = std::move(known), .audit_path = "/dev/null"}, clock);
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::sim::make_domain(network, "engine"), .address = "engine:1"};
    ServerOptions options;
    options.tenants = tenants;
    options.export_name = "p";
    options.loop = loop.get();
    server = *Server::start(pool, std::move(listeners), std::move(options));
  }
  // One session of a tenant, with a file of 4 MiB open in it.
  struct Client {
    std::shared_ptr<client::Session> session;
    std::unique_ptr<fs::FileSystem> fs;
    fs::FileId file;
    std::uint64_t ops = 0;
    std::uint64_t bytes = 0;
  };
  runtime::Task<Status> connect(std::string tenant) {
    Applicant who{.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
    who.who = {.tenant = tenants->find(tenant)};
    const auto begun = co_await server->begin(who);
    if (!begun.has_value()) co_return begun.error();
    auto client = std::make_unique<Client>();
    auto session = co_await client::Session::connect_here(*fabric::sim::make_domain(network, tenant), "engine:1",
                                                          begun->token, clock.monotonic_ns() + 20 * kSecondNs);
    if (!session.has_value()) co_return session.error();
    client->session = *std::move(session);
    auto opened = co_await client::open_container_here(client->session, "c");
    if (!opened.has_value()) co_return opened.error();
    client->fs = *std::move(opened);
    const auto file = co_await client->fs->create(kSelf, fs::kRootNode, tenant, 0600, {.read = true, .write = true});
    if (!file.has_value()) co_return file.error();
    client->file = file->file;
    const std::vector<std::byte> data(1 << 20);
    for (std::uint64_t at = 0; at < kFileBytes; at += data.size()) {
      auto copy = data;
      const auto wrote = co_await client->fs->write(client->file, at, memory::Memory(copy));
      if (!wrote.has_value()) co_return wrote.error();
    }
    sessions.push_back(std::move(client));
    co_return Status();
  }
  // Reads on and on until a time; calls that end from another one on count.
  runtime::Task<Status> load(Client& client, std::size_t size_bytes, std::int64_t from_ns, std::int64_t until_ns) {
    std::vector<std::byte> memory(size_bytes);
    for (std::uint64_t at = 0; clock.monotonic_ns() < until_ns; at = (at + size_bytes) % kFileBytes) {
      const auto got = co_await client.fs->read(client.file, at, memory::Memory(memory));
      if (!got.has_value()) co_return got.error();
      if (clock.monotonic_ns() < from_ns || clock.monotonic_ns() >= until_ns) continue;
      ++client.ops;
      client.bytes += *got;
    }
    co_return Status();
  }
  // inflight calls in each of these sessions, 5 s that count.
  struct Load {
    std::size_t session = 0;
    std::size_t size_bytes = 0;
    std::size_t inflight = 1;
  };
  void run(const std::vector<Load>& loads) {
    const std::int64_t from_ns = clock.monotonic_ns() + kSecondNs;
    for (const auto& session : sessions) session->ops = session->bytes = 0;
    std::size_t running = 0;
    for (const Load& each : loads) {
      for (std::size_t i = 0; i < each.inflight; ++i) {
        ++running;
        loop->start(load(*sessions[each.session], each.size_bytes, from_ns, from_ns + kMeasuredNs),
                    [&running](const Status& status) {
                      EXPECT_TRUE(status.ok()) << status.message();
                      --running;
                    });
      }
    }
    while (running > 0) loop->wait(clock.monotonic_ns() + kSecondNs);
  }
  static constexpr std::int64_t kMeasuredNs = 5 * kSecondNs;
  static constexpr std::uint64_t kFileBytes = 4 * kMiB;

  SimClock clock;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create({.clock = &clock});
  SlowFileSystem::Device device{.loop = loop.get()};
  SlowPool pool{clock, device};
  fabric::sim::Network network{clock, {.seed = 7, .link = link(), .inline_bytes_max = 16384}};
  std::shared_ptr<identity::Directory> tenants;
  std::unique_ptr<Server> server;
  std::vector<std::unique_ptr<Client>> sessions;
};

TEST_F(LimitsTest, ALimitIsMetWithin5Percent) {
  constexpr std::uint64_t kBytes = 10 * kMiB;
  constexpr std::uint64_t kLarge = 32 * kMiB;
  constexpr std::uint64_t kOps = 1000;
  start({{.name = "bytes", .write = {"p/*"}, .limits = {.bytes_per_second = kBytes}},
         {.name = "large", .write = {"p/*"}, .limits = {.bytes_per_second = kLarge}},
         {.name = "ops", .write = {"p/*"}, .limits = {.ops_per_second = kOps}}});
  for (const char* const name : {"bytes", "bytes", "large", "large", "ops", "ops"}) {
    ASSERT_TRUE(loop->block_on(connect(name)).ok());
  }
  struct Case {
    std::size_t session;
    std::size_t size_bytes;
    std::size_t inflight;
    bool both;  // sessions of the tenant
    std::uint64_t bytes;
    std::uint64_t ops;
  };
  const Case cases[] = {
      {0, 4096, 8, false, kBytes, 0}, {0, 4096, 32, true, kBytes, 0}, {0, kMiB, 1, false, kBytes, 0},
      {0, kMiB, 8, true, kBytes, 0},  {2, kMiB, 1, false, kLarge, 0}, {2, kMiB, 16, true, kLarge, 0},
      {4, 4096, 4, false, 0, kOps},   {4, 4096, 32, true, 0, kOps},   {4, 64 * kKiB, 8, false, 0, kOps},
  };
  for (const Case& each : cases) {
    std::vector<Load> loads{{each.session, each.size_bytes, each.inflight}};
    if (each.both) loads.push_back({each.session + 1, each.size_bytes, each.inflight});
    run(loads);
    const double seconds = static_cast<double>(kMeasuredNs) / kSecondNs;
    const Client& one = *sessions[each.session];
    const Client& two = *sessions[each.session + 1];
    const double bytes = static_cast<double>(one.bytes + two.bytes) / seconds;
    const double ops = static_cast<double>(one.ops + two.ops) / seconds;
    const double ratio =
        each.bytes != 0 ? bytes / static_cast<double>(each.bytes) : ops / static_cast<double>(each.ops);
    EXPECT_NEAR(ratio, 1, 0.05) << each.size_bytes << " bytes, " << each.inflight << " in flight";
    std::printf("%7zu bytes, %2zu in flight, %d sessions, limit of %s: %.4f of it\n", each.size_bytes, each.inflight,
                each.both ? 2 : 1, each.bytes != 0 ? "bytes" : "operations", ratio);
  }
}

// A device of an eighth of a GiB a second and 40 us for each call, and always more asked of it than it does.
TEST_F(LimitsTest, PrincipalsThatWantMoreShareByWeight) {
  start({{.name = "greedy", .write = {"p/*"}},
         {.name = "modest", .write = {"p/*"}},
         {.name = "heavy", .write = {"p/*"}, .weight = 300}});
  for (const char* const name : {"modest", "heavy", "greedy", "greedy", "greedy", "greedy"}) {
    ASSERT_TRUE(loop->block_on(connect(name)).ok());
  }
  device.ns_per_call = 40'000;
  device.ns_per_kib = 8'000;
  struct Case {
    std::size_t session;
    std::size_t size_bytes;
    std::size_t inflight;
    double share;
  };
  for (const Case& each :
       {Case{0, kMiB, 8, 0.5}, Case{1, kMiB, 16, 0.75}, Case{0, 64 * kKiB, 128, 0.5}, Case{1, 64 * kKiB, 128, 0.75}}) {
    std::vector<Load> loads{{each.session, each.size_bytes, each.inflight}};
    for (std::size_t i = 2; i < 6; ++i) loads.push_back({i, each.size_bytes, 64 * kKiB / each.size_bytes * 28 + 4});
    run(loads);
    double greedy = 0;
    for (std::size_t i = 2; i < 6; ++i) greedy += static_cast<double>(sessions[i]->bytes);
    const auto own = static_cast<double>(sessions[each.session]->bytes);
    EXPECT_NEAR(own / (own + greedy), each.share, 0.1 * each.share) << each.size_bytes;
    EXPECT_GT(own + greedy, 0.9 * 5 * kGiB / 8 / (1 + 5.0 * kKiB / static_cast<double>(each.size_bytes)));
    std::printf("%7zu bytes: %.4f of all, for %.2f\n", each.size_bytes, own / (own + greedy), each.share);
  }
}

// What a read did not find is not counted, and who leaves with requests waiting takes nothing along.
TEST_F(LimitsTest, WhatIsNotMovedIsNotCounted) {
  start({{.name = "bytes", .write = {"p/*"}, .limits = {.bytes_per_second = 10 * kMiB}}});
  ASSERT_TRUE(loop->block_on(connect("bytes")).ok());
  Client& client = *sessions[0];
  // 4 KiB before the end of the file, asked for with 1 MiB.
  std::vector<std::byte> memory(1 << 20);
  const auto at_the_end = [&]() -> runtime::Task<Status> {
    for (int i = 0; i < 1000; ++i) {
      const auto got = co_await client.fs->read(client.file, kFileBytes - 4096, memory::Memory(memory));
      if (!got.has_value()) co_return got.error();
      if (*got != 4096) co_return Status(EIO);
    }
    co_return Status();
  };
  const std::int64_t begin_ns = clock.monotonic_ns();
  ASSERT_TRUE(loop->block_on(at_the_end()).ok());
  EXPECT_LT(clock.monotonic_ns() - begin_ns, 3 * kSecondNs);  // 1000 round trips, and not 100 s
  // A handle that is none earns nothing.
  const auto refused = [&]() -> runtime::Task<Status> {
    for (int i = 0; i < 100; ++i) {
      const auto got = co_await client.fs->read(fs::FileId(4711), 0, memory::Memory(memory));
      if (got.has_value() || got.error().error() != EBADF) co_return Status(EIO);
    }
    co_return Status();
  };
  ASSERT_TRUE(loop->block_on(refused()).ok());
  run({{0, kMiB, 4}});
  EXPECT_NEAR(static_cast<double>(client.bytes) / 5, 10.0 * kMiB, 0.5 * kMiB);
}

}  // namespace
}  // namespace ross::server
