// What the transport benchmarks share: their traffic, latencies, and the line of JSON they print.
//
// Threading: owner thread.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "programs/measure.h"

namespace ross::bench {

struct Traffic {
  std::string name;
  std::size_t size_bytes;  // of an answer
  std::size_t inflight;
};

inline Traffic traffic_of(const std::string& name) {
  if (name == "get1m") return {name, 1 << 20, 16};
  if (name == "get4k") return {name, 4096, 32};
  if (name == "echo") return {name, 64, 1};
  give_up(name, "there is get1m, get4k and echo");
}

// get1m, get4k, echo: a large, a small and a lonely answer. size and inflight change them where they are not 0.
inline Traffic traffic_of(const std::string& name, std::size_t size_bytes, std::size_t inflight) {
  if (size_bytes > 1 << 20 || inflight > 256) give_up(name, "at most 1 MiB, 256 in flight");
  Traffic traffic = traffic_of(name);
  if (size_bytes > 0) traffic.size_bytes = size_bytes;
  if (inflight > 0) traffic.inflight = inflight;
  return traffic;
}

inline std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// Latencies of a run, at most kSamplesMax of them: later ones take the place of earlier ones.
class Latencies {
 public:
  Latencies() : samples_(kSamplesMax) {}
  void add(std::int64_t ns) {
    samples_[count_++ % kSamplesMax] = static_cast<std::uint32_t>(std::min<std::int64_t>(ns, UINT32_MAX));
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::string json() {
    samples_.resize(std::min<std::uint64_t>(count_, kSamplesMax));
    std::sort(samples_.begin(), samples_.end());
    const auto at = [&](double share) {
      if (samples_.empty()) return 0.0;
      return samples_[static_cast<std::size_t>(share * static_cast<double>(samples_.size() - 1))] / 1000.0;
    };
    return fmt::format(R"({{"p50": {:.1f}, "p90": {:.1f}, "p99": {:.1f}, "p999": {:.1f}, "max": {:.1f}}})", at(0.5),
                       at(0.9), at(0.99), at(0.999), at(1));
  }

 private:
  static constexpr std::size_t kSamplesMax = 1 << 20;
  std::vector<std::uint32_t> samples_;
  std::uint64_t count_ = 0;
};

// What the child reports through a pipe when the traffic is over.
struct ServerReport {
  double cpu_seconds = 0;
};

inline void print_report(std::string_view program, std::string_view variant, const Traffic& traffic, const Watch& watch,
                         Latencies& latencies, int report_fd) {
  const double seconds = watch.seconds();
  const double cpu = watch.cpu_seconds();
  ServerReport server;
  if (::read(report_fd, &server, sizeof server) != sizeof server) give_up("server", "it reported nothing");
  const auto ops = static_cast<double>(latencies.count());
  const auto bytes = ops * static_cast<double>(traffic.size_bytes);
  fmt::print(
      R"({{"program": "{}", "variant": "{}", "mode": "{}", "size_bytes": {}, "inflight": {}, "seconds": {:.3f}, )"
      R"("ops_per_second": {:.0f}, "gib_per_second": {:.3f}, "client_cpu_us_per_op": {:.2f}, )"
      R"("server_cpu_us_per_op": {:.2f}, "latency_us": {}}})"
      "\n",
      program, variant, traffic.name, traffic.size_bytes, traffic.inflight, seconds, ops / seconds,
      bytes / seconds / (1 << 30), cpu / ops * 1e6, server.cpu_seconds / ops * 1e6, latencies.json());
}

}  // namespace ross::bench
