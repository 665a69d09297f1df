#include "apps/ross/context.h"

#include <unistd.h>

#include <cerrno>

#include "apps/ross/present/explain.h"

namespace ross::cli {
namespace {

void print_line(std::string line) {
  line += '\n';
  // One write, so that lines of several threads and programs do not mix.
  while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace

void Context::report(std::string_view subject, const Status& status) {
  ++errors_;
  note(explain(subject, status));
}

void Context::note(std::string_view line) {
  const std::lock_guard lock(mutex_);
  if (before_line_) before_line_();
  print_line(std::string(line));
}

void Context::set_before_line(std::function<void()> before_line) {
  const std::lock_guard lock(mutex_);
  before_line_ = std::move(before_line);
}

Result<std::pair<Location, Volume>> Context::open(std::string_view text) {
  auto location = parse_location(text, Plain::kStore);
  if (!location.has_value()) return fail(std::move(location).error());
  auto volume = session.volume(*location);
  if (!volume.has_value()) return fail(std::move(volume).error());
  return std::pair{*std::move(location), *volume};
}

}  // namespace ross::cli
