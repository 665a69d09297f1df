#include "apps/ross/present/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "apps/ross/present/size.h"
#include "apps/ross/present/text.h"
#include "base/clock.h"

namespace ross::cli {
namespace {

constexpr std::int64_t kRedrawNs = 200'000'000;
constexpr std::size_t kBarMax = 30;

std::string amount(std::uint64_t value, bool bytes) { return bytes ? format_size(value) : format_count(value); }

void put(int fd, std::string_view text) {
  // A terminal that takes nothing costs a drawing, not the command.
  if (::write(fd, text.data(), text.size()) < 0) return;
}

}  // namespace

std::string progress_line(const ProgressState& state, double seconds, std::size_t columns) {
  std::string line;
  if (state.items.has_value()) line += fmt::format("{} {}  ", format_count(*state.items), state.items_word);
  line += amount(state.done, state.bytes);
  const double rate = seconds > 0 ? static_cast<double>(state.done) / seconds : 0;
  std::string tail = fmt::format("  {}/s", amount(static_cast<std::uint64_t>(rate), state.bytes));
  if (state.total > 0) {
    // What is copied may outgrow what was counted before.
    const std::uint64_t total = std::max(state.total, state.done);
    const double part = static_cast<double>(state.done) / static_cast<double>(total);
    line += fmt::format(" of {}", amount(total, state.bytes));
    if (rate > 0) tail += fmt::format("  {} left", format_duration(static_cast<double>(total - state.done) / rate));
    tail = fmt::format("  {:3} %", static_cast<int>(part * 100)) + tail;
    const std::size_t used = line.size() + tail.size() + 4;
    if (used + 8 <= columns) {
      const std::size_t width = std::min(kBarMax, columns - used);
      const auto filled = static_cast<std::size_t>(part * static_cast<double>(width));
      std::string bar(filled, '=');
      if (filled < width) bar += '>';
      bar.resize(width, ' ');
      line += fmt::format("  [{}]", bar);
    }
  }
  line += tail;
  if (line.size() > columns) line.resize(columns);
  return line;
}

Progress::Progress(int fd) : fd_(fd), shown_(::isatty(fd) == 1), began_ns_(system_clock().monotonic_ns()) {}
Progress::~Progress() { clear(); }

void Progress::update(const ProgressState& state) {
  if (!shown_) return;
  const std::lock_guard lock(mutex_);
  const std::int64_t now_ns = system_clock().monotonic_ns();
  if (now_ns - drawn_ns_ < kRedrawNs) return;
  drawn_ns_ = now_ns;
  winsize size{};
  const bool known = ::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const std::size_t columns = known ? size.ws_col - 1U : 79;
  put(fd_, "\r\x1b[K" + progress_line(state, static_cast<double>(now_ns - began_ns_) * 1e-9, columns));
  visible_ = true;
}

void Progress::clear() {
  const std::lock_guard lock(mutex_);
  if (visible_) put(fd_, "\r\x1b[K");
  visible_ = false;
}

}  // namespace ross::cli
