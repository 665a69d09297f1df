#include "identity/audit.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/log.h"

namespace ross::identity {
namespace {

// Peers say part of it: whatever is no plain ASCII is escaped, and a long text is cut.
void add(std::string& line, std::string_view key, std::string_view text) {
  constexpr std::size_t kTextBytesMax = 512;
  if (text.empty()) return;
  fmt::format_to(std::back_inserter(line), ",\"{}\":\"", key);
  for (const char c : text.substr(0, kTextBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", static_cast<unsigned>(byte));
      continue;
    }
    if (c == '"' || c == '\\') line.push_back('\\');
    line.push_back(c);
  }
  line.push_back('"');
}

}  // namespace

std::string_view to_word(Reason reason) {
  switch (reason) {
    case Reason::kUnknown:
      return "unknown";
    case Reason::kNotYours:
      return "not-yours";
    case Reason::kMissingRight:
      return "missing-right";
    case Reason::kHandle:
      return "handle";
    case Reason::kExpired:
      return "expired";
    case Reason::kAltered:
      return "altered";
    case Reason::kReplayed:
      return "replayed";
    case Reason::kRevoked:
      return "revoked";
    case Reason::kSession:
      return "session";
    case Reason::kOnBehalf:
      return "on-behalf";
  }
  return "unknown";
}

Result<std::unique_ptr<Audit>> Audit::open(const std::string& path, const Clock& clock) {
  int fd = -1;
  if (!path.empty()) {
    fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return fail(Status(errno).with_context(path));
  }
  return std::unique_ptr<Audit>(new Audit(fd, clock));
}

Audit::~Audit() {
  if (fd_ >= 0) ::close(fd_);
}

// A bucket of time: each line takes the part of a second that is its share.
bool Audit::may_write() {
  constexpr std::int64_t kLineNs = 1'000'000'000 / kLinesPerSecond;
  const std::int64_t now_ns = clock_.monotonic_ns();
  room_ns_ = std::min(room_ns_ + now_ns - looked_ns_, kBurst * kLineNs);
  looked_ns_ = now_ns;
  if (room_ns_ < kLineNs) return false;
  room_ns_ -= kLineNs;
  return true;
}

void Audit::refused(const Refusal& refusal) {
  std::uint64_t left_out = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!may_write()) {
      ++left_out_;
      return;
    }
    left_out = std::exchange(left_out_, 0);
  }
  const std::int64_t ms = clock_.realtime_ns() / 1'000'000;
  std::string line = fmt::format(R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","event":"refused")",
                                 fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000);
  add(line, "reason", to_word(refusal.reason));
  add(line, "tenant", refusal.tenant);
  add(line, "agent", refusal.agent);
  add(line, "peer", refusal.peer);
  add(line, "credential", refusal.credential);
  add(line, "what", refusal.what);
  if (left_out > 0) fmt::format_to(std::back_inserter(line), ",\"left_out\":{}", left_out);
  line += "}";
  if (fd_ < 0) return log().warn("audit {}", line);
  line += "\n";
  if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    log().error("the audit file takes no more: {}", Status(errno).message());
  }
}

}  // namespace ross::identity
