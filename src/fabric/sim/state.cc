#include "fabric/sim/state.h"

#include <algorithm>

#include "fabric/sim/half.h"
#include "fabric/sim/station.h"

namespace ross::fabric::sim {

const LinkOptions& State::link_options(const std::string& from, const std::string& to) {
  const Road& one = road(from, to);
  return one.has_options ? one.options : options_.link;
}

void State::set_link(const std::string& host, const std::string& other, const LinkOptions& options) {
  Road& one = road(host, other);
  one.options = options;
  one.has_options = true;
}

void State::part(const std::string& host, const std::string& other, std::int64_t until_ns) {
  std::int64_t& until = road(host, other).parted_until_ns;
  until = std::max(until, until_ns);
  ++counters_.partitions;
  note('P', static_cast<std::uint64_t>(until_ns));
}

std::int64_t State::latency_ns(const std::string& from, const std::string& to) {
  const LinkOptions& link = link_options(from, to);
  return link.latency_ns_min + some_ns(link.latency_ns_max - link.latency_ns_min);
}

std::int64_t State::arrival_ns(const std::string& from, const std::string& to, std::size_t size_bytes) {
  std::int64_t& busy_until = links_[{from, to}].busy_until_ns;
  const double seconds = static_cast<double>(size_bytes) / static_cast<double>(link_options(from, to).bytes_per_second);
  busy_until = std::max(busy_until, now()) + static_cast<std::int64_t>(seconds * 1e9);
  return busy_until + latency_ns(from, to);
}

void State::roll_link(const std::string& from, const std::string& to) {
  const LinkOptions& link = link_options(from, to);
  if (dice(link.stall_per_million)) {
    std::int64_t& busy_until = links_[{from, to}].busy_until_ns;
    busy_until = std::max(busy_until, now()) + some_ns(link.stall_ns_max);
    ++counters_.stalls;
  }
  if (from != to && dice(link.partition_per_million)) part(from, to, now() + some_ns(link.partition_ns_max));
}

void State::carry(const std::string& from, const std::shared_ptr<Station>& to, std::int64_t at_ns, Cargo cargo) {
  if (to->gone()) {  // its loop may be gone, too
    if (cargo.gone) cargo.gone();
    return;
  }
  to->loop().at(at_ns, [state = shared_from_this(), from, to, cargo = std::move(cargo)]() mutable {
    if (to->gone()) {
      if (cargo.gone) cargo.gone();
      return;
    }
    const std::int64_t parted_until = state->road(from, to->host()).parted_until_ns;
    if (parted_until > state->now()) {
      ++state->counters_.waited_for_partition;
      if (cargo.parted) cargo.parted();
      const std::int64_t again = parted_until + state->latency_ns(from, to->host());
      state->carry(from, to, again, std::move(cargo));
      return;
    }
    cargo.arrive();
  });
}

void State::carry(Half& from, std::size_t size_bytes, Arrival arrive) {
  const std::shared_ptr<Half> to = from.peer();
  if (to == nullptr) return;  // it has ended, and its end is on the way to us
  const std::int64_t at_ns = arrival_ns(from.host(), to->host(), size_bytes);
  const std::weak_ptr<Half> weak = to;
  // A connection that waited may be found cut when the partition is over: the dice fall once for each that waits.
  const std::uint32_t cut_chance = link_options(from.host(), to->host()).cut_after_partition_per_million;
  carry(from.host(), to->station_ref(), at_ns,
        {.arrive =
             [weak, arrive = std::move(arrive)] {
               const std::shared_ptr<Half> half = weak.lock();
               if (half != nullptr && !half->connection().cut) arrive(*half);
             },
         .parted =
             [this, weak, cut_chance] {
               const std::shared_ptr<Half> half = weak.lock();
               if (half != nullptr && dice(cut_chance)) cut(*half);
             },
         .gone = nullptr});
}

void State::later(Half& half, std::int64_t at_ns, Arrival run) {
  if (half.station().gone()) return;
  half.station().loop().at(at_ns, [state = shared_from_this(), weak = half.weak_from_this(), run = std::move(run)] {
    const std::shared_ptr<Half> one = weak.lock();
    if (one != nullptr && !one->station().gone()) run(*one);
  });
}

void State::cut(Half& half) {
  if (half.connection().cut) return;
  half.connection().cut = true;
  ++counters_.cuts;
  note('X', half.connection().id);
  const std::shared_ptr<Half> peer = half.peer();
  learns_by_dice(half);
  if (peer != nullptr) learns_by_dice(*peer);
}

void State::learns_by_dice(Half& half) {
  if (half.station().gone() || half.ending()) return;
  const std::shared_ptr<Half> peer = half.peer();
  const LinkOptions& link = link_options(half.host(), peer != nullptr ? peer->host() : half.host());
  if (dice(link.never_notices_per_million)) {
    ++counters_.never_noticed;
  } else if (dice(link.notices_on_use_per_million)) {
    ++counters_.noticed_on_use;
    half.learn_on_use();
  } else {
    ++counters_.noticed_in_time;
    later(half, now() + some_ns(link.notice_ns_max),
          [](Half& one) { one.end(Status(ECONNRESET, "the connection was cut")); });
  }
}

void State::note(std::uint64_t what, std::uint64_t which) {
  for (const std::uint64_t word : {static_cast<std::uint64_t>(now()), what, which}) {
    digest_ = (digest_ ^ word) * 0x9e3779b97f4a7c15;
    digest_ ^= digest_ >> 29;
  }
}

}  // namespace ross::fabric::sim
