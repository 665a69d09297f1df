// Audit: one line for each attempt that was refused: who, from where, what, and why.
//
//   audit.refused({.reason = Reason::kMissingRight, .tenant = "web", .peer = "ipv4:10.0.0.9:4711", .what = "write pool0/train"});
//   {"time":"2026-01-31T12:00:00.123Z","event":"refused","reason":"missing-right","tenant":"web", ...}
//
// It goes to a file, one write a line, or with no file to the log. Who is refused often enough cannot fill the disk: beyond kBurst
// lines at once and kLinesPerSecond after that, lines are left out, and the next one says how many ("left_out").
//
// Threading: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace ross::identity {

enum class Reason : std::uint8_t {
  kUnknown,       // nobody vouches for the caller, or no such tenant is configured
  kNotYours,      // a pool or container of which the tenant knows nothing
  kMissingRight,  // one that it may reach, but not so
  kHandle,        // a file or container number that its session does not have
  kExpired,       // a credential or session whose time is over
  kAltered,       // a token whose signature is wrong
  kReplayed,      // somebody else's token, client or session
  kRevoked,
  kSession,   // a session's token that names none: old, altered or guessed
  kOnBehalf,  // it spoke for a tenant for which it may not
};
std::string_view to_word(Reason reason);

struct Refusal {
  Reason reason = Reason::kUnknown;
  std::string_view tenant;  // empty: not known
  std::string_view agent;   // that spoke for it
  std::string_view peer;
  std::string_view credential;
  std::string_view what;  // was asked for
};

class Audit {
 public:
  static constexpr std::int64_t kLinesPerSecond = 20;
  static constexpr std::int64_t kBurst = 200;

  // path: a file to append to, made if it is not there, for its owner to read; empty: the log, at level warn.
  static Result<std::unique_ptr<Audit>> open(const std::string& path, const Clock& clock = system_clock());
  ~Audit();
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  void refused(const Refusal& refusal);

 private:
  Audit(int fd, const Clock& clock) : fd_(fd), clock_(clock), looked_ns_(clock.monotonic_ns()) {}
  // Whether a line may be written now; guarded by mutex_.
  bool may_write();

  const int fd_;  // -1: the log
  const Clock& clock_;
  std::mutex mutex_;
  std::int64_t looked_ns_;                                           // guarded by mutex_
  std::int64_t room_ns_ = kBurst * 1'000'000'000 / kLinesPerSecond;  // guarded by mutex_
  std::uint64_t left_out_ = 0;                                       // guarded by mutex_
};

}  // namespace ross::identity
