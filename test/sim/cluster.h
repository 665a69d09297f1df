// Cluster: an engine's host and the network to its clients: one machine of each kind, one clock, one loop, one thread.
//
// The engine is the real one: a pool on a simulated machine (world.h), served by server::Server over the simulated network. Its
// process may be killed, its power may be cut, also by itself at the nth thing written; from that very moment nothing of it
// reaches the network, the store or the devices, and then its objects end in the usual way. cluster_control.h is how it is
// asked for sessions, cluster_agent.h an agent in between.
//
// Threading: owner thread. What is said to drive the loop is called from outside of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "cluster_control.h"
#include "engine/pool.h"
#include "fabric/sim/network.h"
#include "server/server.h"
#include "world.h"

namespace ross::sim {

inline constexpr std::int64_t kMs = 1'000'000;
inline constexpr std::int64_t kSecond = 1000 * kMs;
// Of the server, and what its clients have: shorter than in earnest, in the same proportions.
inline constexpr std::int64_t kLeaseNs = 20 * kSecond;
inline constexpr std::int64_t kPatienceNs = 30 * kSecond;
inline constexpr std::int64_t kQuietNs = kSecond / 2;

class Cluster {
 public:
  enum class End : std::uint8_t { kKill, kPowerCut };

  Cluster(const PoolImage& image, std::uint64_t seed, bool verbose);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // ---- the engine's host; each drives the loop ----
  // Opens the pool and serves it. What is wrong in one sentence, or nothing; also nothing when the end came meanwhile.
  std::string start();
  // Ends the server and the pool in the usual way; clients can come back to the next.
  std::string stop();
  void crash(End how);
  // What an end that came by itself leaves to be cleared away.
  void clear_away();

  // An end by itself at the nth thing written.
  void crash_at(End how, World::Where where, std::uint64_t nth);
  // None comes by itself any more.
  void calm();
  [[nodiscard]] bool up() const { return up_; }
  // It has ended by itself, and waits for clear_away().
  [[nodiscard]] bool fell() const { return !up_ && server_ != nullptr; }
  [[nodiscard]] std::uint64_t kills() const { return kills_; }
  [[nodiscard]] std::uint64_t power_cuts() const { return power_cuts_; }

  // ---- the ways to it ----
  ControlPlane& control() { return control_; }
  void part(const std::string& host, const std::string& other, std::int64_t for_ns);
  // One way between two hosts, for what is no message of the network. False: not until the deadline.
  runtime::Task<bool> travels(std::string host, std::string other, std::int64_t deadline_ns);

  fabric::sim::Network& network() { return network_; }
  World& world() { return world_; }
  runtime::Loop& loop() { return world_.loop(); }
  [[nodiscard]] std::int64_t now_ns() { return world_.clock().monotonic_ns(); }
  [[nodiscard]] engine::Pool& pool() { return *pool_; }
  [[nodiscard]] server::Server& server() { return *server_; }
  Random& random() { return random_; }
  // Changes that were asked for again and not made again, of all lives of the server: in the same life, and across.
  [[nodiscard]] std::uint64_t skipped_here() const;
  [[nodiscard]] std::uint64_t skipped_across() const;

  // Goes into the digest, and is printed when verbose.
  template <class... Args>
  void tell(fmt::format_string<Args...> text, Args&&... args) {
    say(fmt::format(text, std::forward<Args>(args)...));
  }
  // A sum over what was told and what network, store and devices did until then: two runs are the same where it is.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

 private:
  void say(const std::string& text);
  void went();

  const bool verbose_;
  Random random_;
  World world_;
  fabric::sim::Network network_;
  std::uint64_t cache_bytes_;
  std::map<std::pair<std::string, std::string>, std::int64_t> parted_until_ns_;
  ControlPlane control_;
  std::unique_ptr<engine::Pool> pool_;
  std::unique_ptr<server::Server> server_;
  bool up_ = false;
  End how_ = End::kKill;  // the next end
  std::uint64_t kills_ = 0;
  std::uint64_t power_cuts_ = 0;
  std::uint64_t skipped_here_ = 0;
  std::uint64_t skipped_across_ = 0;
  std::uint64_t digest_ = 0;
};

}  // namespace ross::sim
