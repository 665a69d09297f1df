#include "identity/directory.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"

namespace ross::identity {

Result<std::shared_ptr<Directory>> Directory::open(Options options, const Clock& clock) {
  std::map<std::string, std::shared_ptr<const Tenant>, std::less<>> tenants;
  std::map<uid_t, std::shared_ptr<const Tenant>> users;
  for (Tenant& given : options.tenants) {
    if (const std::string what = complaint_about(given); !what.empty()) return fail(EINVAL, what);
    const auto tenant = std::make_shared<const Tenant>(std::move(given));
    if (!tenants.emplace(tenant->name, tenant).second) {
      return fail(EINVAL, fmt::format("two tenants are called {}", tenant->name));
    }
    for (const uid_t uid : tenant->uids) {
      const auto [taken, fresh] = users.emplace(uid, tenant);
      if (!fresh) {
        return fail(EINVAL,
                    fmt::format("user {} belongs to two tenants: {} and {}", uid, taken->second->name, tenant->name));
      }
    }
  }
  ROSS_TRY(std::unique_ptr<Audit> audit, Audit::open(options.audit_path, clock));
  std::shared_ptr<Directory> made(new Directory(std::move(tenants), std::move(users), std::move(options.revoked_path),
                                                std::move(options.token_key), std::move(audit), clock));
  for (const auto& [name, tenant] : made->tenants_) {
    const Limits& limits = tenant->limits;
    if (limits.bytes_per_second == 0 && limits.ops_per_second == 0) continue;
    made->throttles_.emplace(name, std::make_shared<Throttle>(limits));
  }
  if (!made->revoked_path_.empty()) {
    ROSS_OK(
        Revocations::read(made->revoked_path_));  // a list that is missing at the start is a mistake, later an accident
    made->refresh();
  }
  return made;
}

Directory::~Directory() { stop_watching(); }

std::vector<std::shared_ptr<const Tenant>> Directory::all() const {
  std::vector<std::shared_ptr<const Tenant>> all;
  for (const auto& [name, tenant] : tenants_) all.push_back(tenant);
  return all;
}

std::shared_ptr<const Tenant> Directory::find(std::string_view name) const {
  const auto found = tenants_.find(name);
  return found == tenants_.end() ? nullptr : found->second;
}

std::shared_ptr<Throttle> Directory::throttle_of(std::string_view name) const {
  const auto found = throttles_.find(name);
  return found == throttles_.end() ? nullptr : found->second;
}

// ---- who is who ----

Result<Principal> Directory::of_user(uid_t uid, const Attempt& attempt) const {
  Principal who;
  who.credential.kind = Credential::Kind::kUser;
  who.credential.id = fmt::format("{}", uid);
  const auto found = users_.find(uid);
  if (found == users_.end()) {
    if (uid == 0 || uid == own_uid_) return who;
    refuse(Reason::kUnknown, who, attempt);
    return fail(EACCES, fmt::format("user {} belongs to no tenant of this server", uid));
  }
  who.tenant = found->second;
  ROSS_OK(check(who, attempt));
  return who;
}

Result<Principal> Directory::of_credential(std::string_view tenant, Credential credential,
                                           const Attempt& attempt) const {
  Principal who{.tenant = find(tenant), .most = credential.access, .credential = std::move(credential)};
  if (who.tenant == nullptr) {
    refuse({.reason = Reason::kUnknown,
            .tenant = tenant,
            .peer = attempt.peer,
            .credential = who.credential.text(),
            .what = attempt.what});
    return fail(EACCES, fmt::format("this server knows no tenant '{}'", tenant));
  }
  ROSS_OK(check(who, attempt));
  return who;
}

Result<Principal> Directory::on_behalf(const Principal& agent, std::string_view tenant, Access most,
                                       const Attempt& attempt) const {
  const bool may = !agent.bounded() || agent.tenant->may_speak_for(tenant);
  Principal who{.tenant = may ? find(tenant) : nullptr,
                .most = std::min(most, agent.most),
                .credential = agent.credential,
                .agent = std::string(agent.name())};
  if (who.tenant == nullptr) {
    refuse({.reason = may ? Reason::kUnknown : Reason::kOnBehalf,
            .tenant = tenant,
            .agent = agent.name(),
            .peer = attempt.peer,
            .credential = agent.credential.text(),
            .what = attempt.what});
    return fail(EACCES, fmt::format("{} may not speak for tenant '{}' here",
                                    agent.bounded() ? agent.name() : "this agent", tenant));
  }
  ROSS_OK(check(who, attempt));
  return who;
}

Status Directory::take_once(const Principal& who, std::string_view client, const Attempt& attempt) {
  if (!who.credential.once) return {};
  {
    const std::lock_guard lock(mutex_);
    const std::int64_t now = now_s();
    std::erase_if(once_, [now](const auto& named) { return named.second.expires_s < now; });
    if (!client.empty()) {
      const auto found = once_.find(who.credential.id);
      if (found != once_.end() && found->second.client == client) return {};
      if (found == once_.end() && once_.size() < kOnceMax) {
        once_.emplace(who.credential.id, Once{std::string(client), who.credential.expires_s});
        return {};
      }
    }
  }
  refuse(Reason::kReplayed, who, attempt);
  return Status(EACCES, "the token is for one session, and was used");
}

Status Directory::check(const Principal& who, const Attempt& attempt) const {
  if (who.credential.expires_s != 0 && who.credential.expires_s <= now_s()) {
    refuse(Reason::kExpired, who, attempt);
    return Status(EACCES, "the credential's time is over: show a new one");
  }
  if (revoked(who)) {
    refuse(Reason::kRevoked, who, attempt);
    return Status(EACCES, fmt::format("tenant {} is revoked, or the credential is", who.name()));
  }
  return {};
}

bool Directory::revoked(const Principal& who) const {
  const std::lock_guard lock(mutex_);
  return revoked_.revoked(who);
}

void Directory::refuse(Reason reason, const Principal& who, const Attempt& attempt) const {
  refuse({.reason = reason,
          .tenant = who.name(),
          .agent = who.agent,
          .peer = attempt.peer,
          .credential = who.credential.text(),
          .what = attempt.what});
}

// ---- what is revoked ----

Status Directory::revoke(const std::string& tenant) {
  if (find(tenant) == nullptr) return Status(ENOENT, fmt::format("there is no tenant '{}'", tenant));
  refresh();
  {
    const std::lock_guard lock(mutex_);
    Revocations list = revoked_;
    list.revoke_tenant(tenant, now_s());
    if (!revoked_path_.empty()) ROSS_STATUS(list.write(revoked_path_));
    revoked_ = std::move(list);
  }
  call_changed();
  return {};
}

bool Directory::refresh() {
  if (!read_again()) return false;
  call_changed();
  return true;
}

bool Directory::read_again() {
  if (revoked_path_.empty()) return false;
  const std::lock_guard lock(mutex_);
  struct stat stat {};
  if (::stat(revoked_path_.c_str(), &stat) != 0) {
    if (std::exchange(seen_, Seen{}) != Seen{})
      log().error("{} is not there: what was revoked stays so", revoked_path_);
    return false;
  }
  const Seen seen{.mtime_ns = stat.st_mtim.tv_sec * 1'000'000'000 + stat.st_mtim.tv_nsec,
                  .size_bytes = static_cast<std::uint64_t>(stat.st_size),
                  .inode = stat.st_ino};
  if (seen == seen_) return false;
  seen_ = seen;
  Result<Revocations> list = Revocations::read(revoked_path_);
  if (!list.has_value()) {
    log().error("{}: what was revoked before stays so", list.error().message());
    return false;
  }
  if (*list == revoked_) return false;
  revoked_ = *std::move(list);
  log().info("{} was read again", revoked_path_);
  return true;
}

void Directory::watch(std::function<void()> changed) {
  {
    const std::lock_guard lock(changed_mutex_);
    changed_ = std::move(changed);
  }
  if (revoked_path_.empty()) return;
  watching_ = true;
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { look(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// By time, which needs nothing of the file's file system; four looks a second cost nothing that can be seen.
void Directory::look() {
  ::pthread_setname_np(::pthread_self(), "ross-revoked");
  std::unique_lock lock(watch_mutex_);
  while (watching_) {
    watch_changed_.wait_for(lock, std::chrono::nanoseconds(kLookNs));
    if (!watching_) break;
    lock.unlock();
    refresh();
    lock.lock();
  }
}

void Directory::stop_watching() {
  {
    const std::lock_guard lock(watch_mutex_);
    watching_ = false;
    watch_changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(changed_mutex_);
  changed_ = nullptr;
}

void Directory::call_changed() {
  const std::lock_guard lock(changed_mutex_);
  if (changed_) changed_();
}

}  // namespace ross::identity
