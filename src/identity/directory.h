// Directory: the tenants that a server knows, what of theirs is revoked, and the book of who was refused.
//
//   ROSS_TRY(auto directory, identity::Directory::open({.tenants = tenants, .revoked_path = "/etc/ross/auth/revoked"}));
//   ROSS_TRY(identity::Principal who, directory->of_user(uid, {.peer = "ipv4:127.0.0.1:4711", .what = "connect to pool0"}));
//
// Every refusal is in the audit when it returns. A server without tenants has no directory.
// Errors: EACCES with a sentence that tells the caller no more than it knows. Ownership: shared by the servers of a process.
// Threading: any thread.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "identity/audit.h"
#include "identity/principal.h"
#include "identity/revocations.h"
#include "identity/throttle.h"

namespace ross::identity {

// What an attempt was, for the audit.
struct Attempt {
  std::string_view peer;
  std::string_view what;
};

class Directory {
 public:
  static constexpr std::size_t kOnceMax = 65536;  // tokens for one session that are remembered until their time is over

  struct Options {
    std::vector<Tenant> tenants;
    std::string revoked_path;  // empty: the list is kept in memory
    std::string audit_path;    // empty: the log
    std::string token_key;     // the public key of signed tokens, PEM; empty: none is taken
  };
  // Errors: EINVAL for tenants that cannot be (names twice, users of two), those of reading the list and opening the audit.
  static Result<std::shared_ptr<Directory>> open(Options options, const Clock& clock = system_clock());
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  [[nodiscard]] std::vector<std::shared_ptr<const Tenant>> all() const;
  // Null: there is none.
  [[nodiscard]] std::shared_ptr<const Tenant> find(std::string_view name) const;

  // What all sessions of a tenant share. Null: it has no limits.
  [[nodiscard]] std::shared_ptr<Throttle> throttle_of(std::string_view name) const;
  [[nodiscard]] const std::string& token_key() const { return token_key_; }

  // A user of this machine. Root and this process's own user are its operators, who have no bounds, unless a tenant lists them.
  Result<Principal> of_user(uid_t uid, const Attempt& attempt) const;
  // Who has shown a credential that names a tenant.
  Result<Principal> of_credential(std::string_view tenant, Credential credential, const Attempt& attempt) const;
  // The tenant for which another, an agent, says it speaks.
  Result<Principal> on_behalf(const Principal& agent, std::string_view tenant, Access most,
                              const Attempt& attempt) const;
  // A token for one session is its first user's. client: what names that one.
  Status take_once(const Principal& who, std::string_view client, const Attempt& attempt);
  // Whether it is believed still.
  Status check(const Principal& who, const Attempt& attempt) const;
  [[nodiscard]] bool revoked(const Principal& who) const;

  // Revokes all that a tenant was given until now, and its users; also in the file. ENOENT, errors of writing.
  Status revoke(const std::string& tenant);
  // Reads the list again if the file is another. A list that cannot be read is told to the log, and the last one counts on.
  // Returns whether the list has changed, and then calls what watch() was told.
  bool refresh();
  // From now on the list is read again kLookNs after the file changed at the latest; then, and after revoke(), changed is
  // called.
  void watch(std::function<void()> changed);
  // No call of changed begins or is at work after this.
  void stop_watching();

  void refuse(Reason reason, const Principal& who, const Attempt& attempt) const;
  void refuse(const Refusal& refusal) const { audit_->refused(refusal); }

 private:
  static constexpr std::int64_t kLookNs = 250'000'000;
  Directory(std::map<std::string, std::shared_ptr<const Tenant>, std::less<>> tenants,
            std::map<uid_t, std::shared_ptr<const Tenant>> users, std::string revoked_path, std::string token_key,
            std::unique_ptr<Audit> audit, const Clock& clock)
      : tenants_(std::move(tenants)),
        users_(std::move(users)),
        revoked_path_(std::move(revoked_path)),
        token_key_(std::move(token_key)),
        audit_(std::move(audit)),
        clock_(clock) {}
  [[nodiscard]] std::int64_t now_s() const { return clock_.realtime_ns() / 1'000'000'000; }
  bool read_again();
  void look();
  void call_changed();

  // What tells one state of a file from another.
  struct Seen {
    std::int64_t mtime_ns = -1;
    std::uint64_t size_bytes = 0;
    std::uint64_t inode = 0;
    bool operator==(const Seen&) const = default;
  };

  // constant after construction
  const std::map<std::string, std::shared_ptr<const Tenant>, std::less<>> tenants_;
  const std::map<uid_t, std::shared_ptr<const Tenant>> users_;
  std::map<std::string, std::shared_ptr<Throttle>, std::less<>>
      throttles_;  // of those that have limits; shared with their sessions
  const std::string revoked_path_;
  const std::string token_key_;
  const std::unique_ptr<Audit> audit_;
  const Clock& clock_;
  const uid_t own_uid_ = ::geteuid();

  mutable std::mutex mutex_;
  Revocations revoked_;  // guarded by mutex_
  Seen seen_;            // guarded by mutex_
  struct Once {
    std::string client;
    std::int64_t expires_s = 0;
  };
  std::map<std::string, Once> once_;  // guarded by mutex_; by nonce

  std::mutex watch_mutex_;
  std::condition_variable watch_changed_;
  bool watching_ = false;          // guarded by watch_mutex_
  std::mutex changed_mutex_;       // held while changed_ is called
  std::function<void()> changed_;  // guarded by changed_mutex_
  std::thread thread_;             // the watcher
};

}  // namespace ross::identity
