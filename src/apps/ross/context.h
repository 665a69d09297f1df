// Context: what every command gets handed: where it prints, what it opens, how it reports.
//
// Threading: owner thread, except report() and warn(), which are guarded.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "apps/ross/present/output.h"
#include "apps/ross/session.h"

namespace ross::cli {

class Context {
 public:
  explicit Context(int output_fd) : out(output_fd, false) {}

  Output out;
  Session session;

  // One line on standard error for something that failed, while the command goes on with the rest; it will exit with 1.
  void report(std::string_view subject, const Status& status);
  // One line on standard error that changes no exit code.
  void note(std::string_view line);
  [[nodiscard]] std::uint64_t errors() const { return errors_; }
  // Called with a lock held before a line is printed: the progress bar clears its line.
  void set_before_line(std::function<void()> before_line);

  // Both steps of most commands: the text's location and its container.
  Result<std::pair<Location, Volume>> open(std::string_view text);

 private:
  std::mutex mutex_;
  std::function<void()> before_line_;  // guarded by mutex_
  std::atomic<std::uint64_t> errors_ = 0;
};

}  // namespace ross::cli
