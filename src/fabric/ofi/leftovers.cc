#include "fabric/ofi/leftovers.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <system_error>

namespace ross::fabric::ofi {
namespace {

constexpr std::string_view kOwn = "ross-ofi-";
constexpr std::size_t kFilesMax = 100'000;  // looked at in one sweep

// When the process began, in the kernel's ticks since boot; 0 when there is none of that pid, or what is left of it waits to be
// reaped.
std::uint64_t start_of(long pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return 0;
  const std::size_t after_name = line.rfind(')');  // the name may hold anything
  if (after_name == std::string::npos) return 0;
  if (line.compare(after_name, 3, ") Z") == 0 || line.compare(after_name, 3, ") X") == 0) return 0;
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

struct Owner {
  long pid = 0;
  std::uint64_t start = 0;
};

// Who made an endpoint of that name; pid 0 where it is none of ours.
Owner owner_of(std::string_view name) {
  Owner owner;
  unsigned number = 0;
  if (!name.starts_with(kOwn)) return {};
  name.remove_prefix(kOwn.size());
  if (!take_number(name, owner.pid) || owner.pid <= 0 || !name.starts_with('-')) return {};
  name.remove_prefix(1);
  if (!take_number(name, owner.start) || !name.starts_with('-')) return {};
  name.remove_prefix(1);
  if (!take_number(name, number) || !name.empty()) return {};
  return owner;
}

bool left_by_dead(std::string_view name) {
  const Owner owner = owner_of(name);
  return owner.pid > 0 && start_of(owner.pid) != owner.start;
}

}  // namespace

std::string endpoint_name() {
  static std::atomic<unsigned> next{0};
  return fmt::format("{}{}-{}-{}", kOwn, ::getpid(), start_of(::getpid()), next.fetch_add(1));
}

bool is_endpoint_name(std::string_view name) { return owner_of(name).pid > 0; }

void remove_leftover(std::string_view name) {
  if (left_by_dead(name)) ::unlink(("/dev/shm/" + std::string(name)).c_str());
}

std::size_t remove_leftovers(const std::filesystem::path& directory, std::int64_t older_than_s) {
  std::size_t removed = 0;
  std::size_t seen = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end && seen < kFilesMax;
       it.increment(error), ++seen) {
    if (!left_by_dead(it->path().filename().string())) continue;
    struct stat attributes {};
    if (::lstat(it->path().c_str(), &attributes) != 0 || attributes.st_uid != ::geteuid() ||
        ::time(nullptr) - attributes.st_ctime < older_than_s) {
      continue;
    }
    if (::unlink(it->path().c_str()) == 0) ++removed;
  }
  return removed;
}

}  // namespace ross::fabric::ofi
