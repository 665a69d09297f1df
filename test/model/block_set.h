// BlockSet: a set of block numbers kept as ranges, so that a reservation of terabytes is one entry.
//
// Threading: owner thread. Copied by value with the file that owns it.
#pragma once

#include <cstdint>
#include <map>

namespace ross::model {

class BlockSet {
 public:
  void insert(std::uint64_t begin, std::uint64_t end);
  void erase(std::uint64_t begin, std::uint64_t end);
  // How many of [begin, end) are in the set.
  [[nodiscard]] std::uint64_t count_in(std::uint64_t begin, std::uint64_t end) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin to end; never touching each other
  std::uint64_t count_ = 0;
};

}  // namespace ross::model
