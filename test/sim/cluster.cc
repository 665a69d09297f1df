#include "cluster.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/units.h"

namespace ross::sim {

namespace {

constexpr const char* kEngine = "engine";

// Some networks are quick and good, some slow, some lose their channels all the time.
fabric::sim::NetworkOptions draw_network(Random& random, std::uint64_t seed) {
  fabric::sim::NetworkOptions options{.seed = seed};
  options.link.latency_ns_max = random.chance(1, 2) ? 30'000 : 2 * kMs;
  constexpr std::uint32_t kCuts[] = {0, 0, 300, 5'000};
  options.link.cut_per_million = kCuts[random.below(4)];
  options.link.stall_per_million = random.chance(1, 2) ? 0 : 5'000;
  options.link.cut_after_partition_per_million = random.chance(1, 2) ? 0 : 500'000;
  options.link.notice_ns_max = random.chance(1, 2) ? 20 * kMs : 3 * kSecond;
  options.wants_regions = random.chance(1, 4);
  constexpr std::size_t kInline[] = {0, 512, 8192, 65536};
  options.inline_bytes_max = kInline[random.below(4)];
  return options;
}

std::pair<std::string, std::string> in_order(const std::string& host, const std::string& other) {
  return host < other ? std::pair(host, other) : std::pair(other, host);
}

}  // namespace

Cluster::Cluster(const PoolImage& image, std::uint64_t seed, bool verbose)
    : verbose_(verbose),
      random_(seed ^ 0xc1057e5),
      world_(image, seed),
      network_(world_.clock(), draw_network(random_, seed)),
      cache_bytes_(random_.chance(1, 2) ? 256 * kKiB : 4 * kMiB),
      control_(*this, kEngine) {
  world_.when_it_ends([this] { went(); });
  world_.run_store_jobs_in_loop();
  if (random_.chance(1, 2)) world_.slow_devices(300'000);
  static_cast<void>(fabric::sim::make_domain(network_, kEngine));
}

Cluster::~Cluster() {
  if (server_ != nullptr) crash(End::kKill);
}

void Cluster::say(const std::string& text) {
  const auto add = [this](std::uint64_t word) {
    digest_ = (digest_ ^ word) * 0x9e3779b97f4a7c15;
    digest_ ^= digest_ >> 29;
  };
  for (const char letter : text) add(static_cast<unsigned char>(letter));
  // An end may be told from inside of the store's world, which then does not answer.
  if (world_.powered()) {
    for (const auto operation : {EnvOperation::kChange, EnvOperation::kSync}) add(world_.env().operations(operation));
  }
  for (const std::uint64_t word : {world_.disk_writes(), world_.disk_flushes(), network_.digest()}) add(word);
  if (!verbose_) return;
  std::fprintf(stderr, "  %12.6f %08x  %s\n", static_cast<double>(now_ns()) / 1e9,
               static_cast<unsigned>(digest_ & UINT32_MAX), text.c_str());
}

// ---- the engine's host ----

std::string Cluster::start() {
  if (!world_.powered()) world_.restore_power();
  engine::PoolOptions options = world_.options();
  options.cache_bytes = cache_bytes_;
  options.serves_clients = true;
  network_.restart(kEngine);
  auto pool = world_.open_pool(options);
  if (!world_.powered()) return {};
  if (!pool) return "the pool does not open: " + pool.error().message();
  pool_ = *std::move(pool);
  std::vector<server::Listener> listeners(1);
  listeners[0] = {.domain = *fabric::sim::make_domain(network_, kEngine), .address = control_.address()};
  server::ServerOptions served{.remembers = true, .lease = std::chrono::milliseconds(kLeaseNs / kMs)};
  served.loop = &loop();
  served.fill_random = [this](std::span<std::uint8_t> bytes) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random_());
  };
  auto server = server::Server::start(*pool_, std::move(listeners), std::move(served));
  if (!server) {
    pool_.reset();
    return world_.powered() ? "the server does not start: " + server.error().message() : "";
  }
  server_ = *std::move(server);
  up_ = world_.powered();
  control_.open(*server_);
  if (!up_) control_.shut();
  tell("the engine is there, life {}", control_.life());
  return {};
}

// From here on it is off the network, and the world does nothing more for it.
void Cluster::went() {
  up_ = false;
  control_.shut();
  ++(how_ == End::kKill ? kills_ : power_cuts_);
  network_.unplug(kEngine);
  tell("{}", how_ == End::kKill ? "the engine is killed" : "the engine's power goes");
}

void Cluster::crash_at(End how, World::Where where, std::uint64_t nth) {
  calm();  // one at a time: the world has no memory of which was to be what
  how_ = how;
  how == End::kKill ? world_.kill_at(where, nth) : world_.cut_power_at(where, nth);
}

void Cluster::calm() {
  world_.kill_at(World::Where::kStore, 0);
  world_.kill_at(World::Where::kDevices, 0);
}

void Cluster::crash(End how) {
  if (up_) {
    calm();
    how_ = how;
    how == End::kKill ? world_.kill() : world_.cut_power();
  }
  clear_away();
}

void Cluster::clear_away() {
  if (server_ == nullptr) return;
  skipped_here_ += server_->asked_again().here;
  skipped_across_ += server_->asked_again().earlier;
  server_.reset();
  pool_.reset();
}

std::string Cluster::stop() {
  tell("the engine stops");
  up_ = false;
  control_.shut();
  skipped_here_ += server_->asked_again().here;
  skipped_across_ += server_->asked_again().earlier;
  server_.reset();
  const Status closed = pool_->close();
  pool_.reset();
  if (!world_.powered() || closed.ok()) return {};
  return "the pool does not close: " + closed.message();
}

std::uint64_t Cluster::skipped_here() const {
  return skipped_here_ + (server_ == nullptr ? 0 : server_->asked_again().here.load());
}
std::uint64_t Cluster::skipped_across() const {
  return skipped_across_ + (server_ == nullptr ? 0 : server_->asked_again().earlier.load());
}

// ---- the ways to it ----

void Cluster::part(const std::string& host, const std::string& other, std::int64_t for_ns) {
  network_.partition(host, other, for_ns);
  std::int64_t& until = parted_until_ns_[in_order(host, other)];
  until = std::max(until, now_ns() + for_ns);
}

runtime::Task<bool> Cluster::travels(std::string host, std::string other, std::int64_t deadline_ns) {
  const auto latency = static_cast<std::int64_t>(20'000 + random_.below(2 * kMs));
  co_await loop().sleep_until(now_ns() + latency);
  const std::int64_t& parted_until_ns = parted_until_ns_[in_order(host, other)];
  while (parted_until_ns > now_ns()) {
    const std::int64_t until_ns = std::min(parted_until_ns, deadline_ns);
    co_await loop().sleep_until(until_ns);
    if (until_ns == deadline_ns) co_return false;
  }
  co_return true;
}

}  // namespace ross::sim
