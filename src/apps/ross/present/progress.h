// Progress: one line on a terminal that shows how far a long command is, at what rate, and how long it will take.
//
//   12,345 files   1.20 GiB of 3.41 GiB  [=======>            ]  35 %  412 MiB/s  0:05 left
//
// Drawn only when the descriptor is a terminal, redrawn at most five times a second, and gone when it ends.
// Threading: guarded.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace ross::cli {

struct ProgressState {
  std::optional<std::uint64_t> items;  // shown in front
  std::string items_word = "files";
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: not known (yet)
  bool bytes = true;        // done and total are bytes
};

// The line for a state after so many seconds, at most columns wide.
std::string progress_line(const ProgressState& state, double seconds, std::size_t columns);

class Progress {
 public:
  explicit Progress(int fd);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  [[nodiscard]] bool shown() const { return shown_; }
  void update(const ProgressState& state);
  // Takes the line away, so that something else can be printed.
  void clear();

 private:
  const int fd_;
  const bool shown_;
  const std::int64_t began_ns_;
  std::mutex mutex_;
  std::int64_t drawn_ns_ = 0;  // guarded by mutex_
  bool visible_ = false;       // guarded by mutex_
};

}  // namespace ross::cli
