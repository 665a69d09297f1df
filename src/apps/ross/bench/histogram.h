// Histogram: latencies in buckets of 1/16 of a power of two, so that percentiles are within 6 % at a fixed size.
// Threading: owner thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace ross::cli {

class Histogram {
 public:
  void add(std::uint64_t ns) {
    ++buckets_[index(ns)];
    ++count_;
    sum_ += ns;
  }
  void add(const Histogram& other) {
    for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
    count_ += other.count_;
    sum_ += other.sum_;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] double mean_ns() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }
  // The upper end of the bucket that part (0..1) of all values reach.
  [[nodiscard]] std::uint64_t percentile_ns(double part) const {
    const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > 0 && seen >= wanted) return upper_end(i);
    }
    return 0;
  }

 private:
  static constexpr std::size_t kParts = 16;
  static std::size_t index(std::uint64_t ns) {
    if (ns < kParts) return ns;
    const auto power = static_cast<std::size_t>(std::bit_width(ns)) - 5;  // ns >> power is in [16, 32)
    return (power + 1) * kParts + (ns >> power) - kParts;
  }
  static std::uint64_t upper_end(std::size_t index) {
    if (index < kParts) return index;
    const std::size_t power = index / kParts - 1;
    return ((index % kParts + kParts + 1) << power) - 1;
  }
  std::array<std::uint64_t, 61 * kParts> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace ross::cli
