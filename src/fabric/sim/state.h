// What the parts of the simulated network share: hosts, links, the dice, and how something gets from host to host.
//
// Threading: owner thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "fabric/sim/network.h"

namespace ross::fabric::sim {

class Half;
class Station;

struct Host {
  bool up = true;
  std::uint16_t next_port = 40'000;
  std::map<std::uint16_t, Station*> listening;
  std::vector<Station*> stations;  // its endpoints, also those that a crash took
};

// What happens at the other end.
struct Cargo {
  std::function<void()> arrive;  // on its loop, when no partition is between the hosts
  std::function<void()> parted;  // it finds a partition and will wait for its end; may be null
  std::function<void()> gone;    // in the place of arrive: the endpoint is no more; may be null
};

// One direction between two hosts.
struct Link {
  std::int64_t busy_until_ns = 0;
};

// Two hosts, in the order of their names.
struct Road {
  LinkOptions options;
  bool has_options = false;
  std::int64_t parted_until_ns = 0;
};

class State : public std::enable_shared_from_this<State> {
 public:
  State(Clock& clock, const NetworkOptions& options) : clock_(clock), options_(options), random_(options.seed) {}

  [[nodiscard]] std::int64_t now() const { return clock_.monotonic_ns(); }
  [[nodiscard]] Clock& clock() const { return clock_; }
  [[nodiscard]] const NetworkOptions& options() const { return options_; }
  Random& random() { return random_; }
  Counters& counters() { return counters_; }
  // Up to bound, bound included.
  std::int64_t some_ns(std::int64_t bound) {
    return bound <= 0 ? 0 : static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(bound) + 1));
  }
  bool dice(std::uint32_t per_million) { return per_million > 0 && random_.chance(per_million, 1'000'000); }

  std::map<std::string, Host, std::less<>>& hosts() { return hosts_; }
  const LinkOptions& link_options(const std::string& from, const std::string& to);
  void set_links(const LinkOptions& options) { options_.link = options; }
  void set_link(const std::string& host, const std::string& other, const LinkOptions& options);
  void part(const std::string& host, const std::string& other, std::int64_t until_ns);

  // When so many bytes that leave now are there; occupies the link.
  std::int64_t arrival_ns(const std::string& from, const std::string& to, std::size_t size_bytes);
  std::int64_t latency_ns(const std::string& from, const std::string& to);
  // Something is about to be begun on a link: stalls and partitions by the dice.
  void roll_link(const std::string& from, const std::string& to);

  void carry(const std::string& from, const std::shared_ptr<Station>& to, std::int64_t at_ns, Cargo cargo);
  using Arrival = std::function<void(Half& half)>;
  // From one half of a connection to its peer; not when the connection is cut by then.
  void carry(Half& from, std::size_t size_bytes, Arrival arrive);
  // At a time of its own, on one side.
  void later(Half& half, std::int64_t at_ns, Arrival run);

  // Nothing flows on half's connection any more; half and its peer learn so by the dice.
  void cut(Half& half);
  void learns_by_dice(Half& half);

  // Adds to the digest what just happened.
  void note(std::uint64_t what, std::uint64_t which);
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  std::uint64_t next_id() { return ++last_id_; }

 private:
  Road& road(const std::string& a, const std::string& b) { return roads_[a < b ? std::pair(a, b) : std::pair(b, a)]; }

  Clock& clock_;
  NetworkOptions options_;
  Random random_;
  Counters counters_;
  std::map<std::string, Host, std::less<>> hosts_;
  std::map<std::pair<std::string, std::string>, Road> roads_;
  std::map<std::pair<std::string, std::string>, Link> links_;
  std::uint64_t digest_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace ross::fabric::sim
