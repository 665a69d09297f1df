// Throttle: a tenant's limits as two buckets, of bytes and of operations: when the next operation may begin.
//
//   const std::int64_t at_ns = throttle.take(size_bytes, now_ns);        // begin it then
//
// Each operation reserves its place behind those before it, so who waits is served in order and the rate is met over any time that is
// longer than the burst. Threading: any thread.
#pragma once

#include <cstdint>
#include <mutex>

#include "identity/tenant.h"

namespace ross::identity {

class Throttle {
 public:
  // A burst that is not set is a tenth of a second's worth.
  explicit Throttle(const Limits& limits)
      : bytes_{limits.bytes_per_second, limits.bytes_burst}, ops_{limits.ops_per_second, limits.ops_burst} {}

  // Nanoseconds of the clock of now_ns; now_ns: at once.
  std::int64_t take(std::uint64_t size_bytes, std::int64_t now_ns);
  // Of what was taken so much was not used: a read met the end of its file, or whoever asked has gone before its time came.
  void give_back(std::uint64_t size_bytes, std::uint64_t ops);

 private:
  struct Bucket {
    std::uint64_t per_second = 0;
    std::uint64_t burst = 0;
    std::int64_t empty_ns = 0;  // when what was taken will have flowed in again
    std::int64_t take(std::uint64_t count, std::int64_t now_ns);
    void give_back(std::uint64_t count) { empty_ns -= time_of(count); }
    [[nodiscard]] std::int64_t time_of(std::uint64_t count) const;
  };
  std::mutex mutex_;
  Bucket bytes_;  // guarded by mutex_
  Bucket ops_;    // guarded by mutex_
};

}  // namespace ross::identity
