// A world of hosts on the simulated network that talk all the time and check, at each call, what the fabric promises.
//
// Each host is connected to each other one, and connects again when a channel ends. Messages are numbered and hold bytes that
// follow from their number. Some are sent behind a put and name the bytes it must have written; they are answered, so that
// the sender may use the place again. Gets read memory that never changes. Now and then a window is revoked and another
// exposed, which a transfer under way may run into.
//
// Whatever is given back is overwritten, and kept in a graveyard: when the world ends its bytes must be as they were buried.
// Who waits too long for an answer closes the channel, as users of the fabric must.
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "fabric/sim/network.h"
#include "runtime/loop.h"

namespace ross::fabric::sim {

class Node;

struct WorldOptions {
  std::uint64_t seed = 1;
  LinkOptions link;
  int hosts = 3;
  int steps = 4000;
  std::uint32_t revokes_per_million = 0;     // per step
  std::uint32_t crashes_per_million = 0;     // per step; the host is back some steps later
  std::uint32_t partitions_per_million = 0;  // per step, by Network::partition()
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();

  // All steps, then the end of all channels.
  void run();
  Network& network() { return network_; }
  [[nodiscard]] std::uint64_t told() const { return told_; }
  [[nodiscard]] std::uint64_t closed() const { return closed_; }
  [[nodiscard]] std::uint64_t checked() const { return checked_; }

 private:
  friend class Node;
  friend class Line;
  using Bytes = std::vector<std::byte>;

  void turn();
  void bury(Bytes memory);
  void expect_graves_undisturbed() const;

  WorldOptions options_;
  Random random_;
  SimClock clock_;
  Network network_;
  std::vector<std::unique_ptr<Node>> nodes_;  // null while its host is down
  std::vector<int> down_until_step_;
  std::vector<std::string> addresses_;
  std::deque<Bytes> graves_;
  std::size_t grave_bytes_ = 0;
  std::uint64_t told_ = 0;     // messages and transfers
  std::uint64_t closed_ = 0;   // channels
  std::uint64_t checked_ = 0;  // bytes compared
};

}  // namespace ross::fabric::sim
