#include "fabric/ofi/leftovers.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <system_error>

namespace ross::fabric::ofi {
namespace {

constexpr std::string_view kOwn = "ross-ofi-";
constexpr std::string_view kListening = "ross-ofi-at-";
constexpr std::size_t kFilesMax = 100'000;  // looked at in one sweep

// When the process began, in the kernel's ticks since boot; 0 when there is none of that pid.
std::uint64_t start_of(long pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return 0;
  const std::size_t after_name = line.rfind(')');  // the name may hold anything
  if (after_name == std::string::npos) return 0;
  std::size_t at = after_name + 1;
  for (int field = 3; field < 22 && at != std::string::npos; ++field) at = line.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  std::uint64_t start = 0;
  std::from_chars(line.data() + at + 1, line.data() + line.size(), start);
  return start;
}

template <class T>
bool take_number(std::string_view& text, T& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool left_by_dead(std::string_view name) {
  if (!name.starts_with(kOwn) || name.starts_with(kListening)) return false;
  name.remove_prefix(kOwn.size());
  long pid = 0;
  std::uint64_t start = 0;
  if (!take_number(name, pid) || pid <= 0 || !name.starts_with('-')) return false;
  name.remove_prefix(1);
  if (!take_number(name, start) || !name.starts_with('-')) return false;
  return start_of(pid) != start;
}

}  // namespace

std::string endpoint_name(std::string_view listen) {
  if (listen.starts_with(kOwn)) return std::string(listen);
  if (!listen.empty()) return fmt::format("{}{}", kListening, listen);
  static std::atomic<unsigned> next{0};
  return fmt::format("{}{}-{}-{}", kOwn, ::getpid(), start_of(::getpid()), next.fetch_add(1));
}

std::size_t remove_leftovers(const std::filesystem::path& directory) {
  std::size_t removed = 0;
  std::size_t seen = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end && seen < kFilesMax;
       it.increment(error), ++seen) {
    if (!left_by_dead(it->path().filename().string())) continue;
    struct stat attributes {};
    if (::lstat(it->path().c_str(), &attributes) != 0 || attributes.st_uid != ::geteuid()) continue;
    if (::unlink(it->path().c_str()) == 0) ++removed;
  }
  return removed;
}

}  // namespace ross::fabric::ofi
