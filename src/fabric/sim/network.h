// A network that lies, from a seed: hosts in one process, joined by links that delay, stall, cut and part.
//
//   sim::Network network(clock, {.seed = seed, .link = {.cut_per_million = 100}});
//   ROSS_TRY(auto domain, sim::make_domain(network, "engine0"));
//   ROSS_TRY(auto endpoint, domain->open(loop, {.limits = limits, .listen = "engine0:0", .acceptor = &acceptor}));
//   ...
//   network.crash("engine0");       // from here on nothing of that host runs; its objects only wait to be destroyed
//   network.restart("engine0");     // new endpoints may be opened there
//
// What it may do:
//   - take any time between the link's least and greatest latency for each message, each piece of a transfer, each answer
//     and each end; so channels overtake each other, transfers overtake transfers and messages, and an end overtakes what
//     was sent before it;
//   - move a transfer in pieces, in any order, at any time between its begin and its done(); read the memory it comes from
//     at the last moment, so that who changes it too early is found out; tell a put done before it has landed, let it land after its
//     sender has closed;
//   - show a head, and let its payload land later;
//   - stall a link for a time; part two hosts for a time, after which what waited goes on or its channel is found cut;
//   - cut a channel at any moment. Each side learns so on its own: after a time, or when it next begins something, or never;
//   - crash a host: its peers learn so the same way, and what it had sent before may still arrive;
//   - unplug a host, which is a crash for all others; but its own objects are told the end of their channels, and calls on
//     them fail, so that the code of a process that is taken to have died can end in the usual way.
// What it never does: lose, repeat or reorder messages of a channel that goes on; show a message before the data of the
// puts begun before it; tell something twice; touch memory after on_closed(), revoke() or a crash.
//
// Without chances set, links only delay. An address is "host:port", port 0 to be given one; a host that never had a domain, and
// one that is down, say nothing to who connects. The same seed and the same calls give the same run: see digest().
// Calls on objects of a crashed host do nothing and are never told; they are destroyed in the usual order.
// Limits: kInFlightBytesMax per channel and direction; messages beyond wait with their sender.
// Threading: owner thread, one for the network and everything on it. All its loops share one clock, mostly a SimClock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "fabric/endpoint.h"

namespace ross::fabric::sim {

// Chances are per message sent, transfer begun or connection tried.
struct LinkOptions {
  std::int64_t latency_ns_min = 2'000;
  std::int64_t latency_ns_max = 30'000;
  std::uint64_t bytes_per_second = 10'000'000'000;
  std::uint32_t stall_per_million = 0;
  std::int64_t stall_ns_max = 10'000'000;
  std::uint32_t cut_per_million = 0;
  std::uint32_t partition_per_million = 0;
  std::int64_t partition_ns_max = 50'000'000;
  std::uint32_t cut_after_partition_per_million = 0;  // of each channel that something waited on
  // How a side learns that its channel is cut or its peer has crashed: never; when it next begins something; else after a
  // time up to notice_ns_max.
  std::uint32_t never_notices_per_million = 0;
  std::uint32_t notices_on_use_per_million = 0;
  std::int64_t notice_ns_max = 20'000'000;
};

struct NetworkOptions {
  std::uint64_t seed = 0;
  LinkOptions link;  // of every pair of hosts that set_link() does not name
  // What the domains say of themselves; the tests of a user of the fabric run with each.
  bool wants_regions = false;
  std::size_t inline_bytes_max = 0;
};

// What happened so far.
struct Counters {
  std::uint64_t connections = 0;
  std::uint64_t messages = 0;     // shown to a receiver
  std::uint64_t transfers = 0;    // done without error
  std::uint64_t bytes = 0;        // of payloads and transfers that landed
  std::uint64_t overtakings = 0;  // a transfer was done before one that began earlier on its channel
  std::uint64_t late_puts = 0;    // landed after their sender's channel had ended
  std::uint64_t windows = 0;      // exposed now
  std::uint64_t refusals = 0;     // transfers that a window refused
  std::uint64_t stalls = 0;
  std::uint64_t partitions = 0;
  std::uint64_t waited_for_partition = 0;
  std::uint64_t cuts = 0;  // channels cut, by the dice, after a partition or by cut()
  std::uint64_t crashes = 0;
  std::uint64_t noticed_in_time = 0;
  std::uint64_t noticed_on_use = 0;
  std::uint64_t never_noticed = 0;
};

class State;

class Network {
 public:
  static constexpr std::size_t kInFlightBytesMax = 4 * 1024 * 1024;

  Network(Clock& clock, const NetworkOptions& options);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // From now on, for every pair that set_link() does not name.
  void set_links(const LinkOptions& options);
  // From now on, both ways.
  void set_link(std::string_view host, std::string_view other, const LinkOptions& options);
  // Nothing flows between them until so long from now; a longer one under way stays.
  void partition(std::string_view host, std::string_view other, std::int64_t for_ns);
  // Cuts the channels between them.
  void cut(std::string_view host, std::string_view other);
  void crash(std::string_view host);
  void unplug(std::string_view host);
  // After either.
  void restart(std::string_view host);

  [[nodiscard]] const Counters& counters() const;
  // A sum over everything that happened, when and in what order: two runs are the same where it is.
  [[nodiscard]] std::uint64_t digest() const;

 private:
  friend Result<std::unique_ptr<Domain>> make_domain(Network& network, std::string_view host);
  // Shared with what is still under way on the loops.
  std::shared_ptr<State> state_;
};

// Adds the host if there is none of this name. Errors: EINVAL (a name that is empty, too long or holds a colon).
Result<std::unique_ptr<Domain>> make_domain(Network& network, std::string_view host);

}  // namespace ross::fabric::sim
