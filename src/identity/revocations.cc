#include "identity/revocations.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/read_file.h"

namespace ross::identity {
namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t begin = line.find_first_not_of(" \t\r", at);
    if (begin == std::string_view::npos) break;
    at = std::min(line.find_first_of(" \t\r", begin), line.size());
    words.push_back(line.substr(begin, at - begin));
  }
  return words;
}

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0) return Status(errno);
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return ::fsync(fd) == 0 ? Status() : Status(errno);
}

}  // namespace

std::string Credential::text() const {
  switch (kind) {
    case Kind::kUser:
      return "uid " + id;
    case Kind::kCertificate:
      return "certificate " + id;
    case Kind::kToken:
      return "token " + id;
    case Kind::kNone:
      break;
  }
  return "none";
}

Result<Revocations> Revocations::parse(std::string_view text, std::string_view path) {
  Revocations list;
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::vector<std::string_view> words = words_of(text.substr(at, end - at));
    at = end + 1;
    ++number;
    if (words.empty()) continue;
    const bool restored = words[0] == "before";
    if ((words[0] == "tenant" || restored) && words.size() == 3 && is_tenant_name(words[1])) {
      std::int64_t until_s = 0;
      const auto [last, error] = std::from_chars(words[2].data(), words[2].data() + words[2].size(), until_s);
      if (error == std::errc() && last == words[2].data() + words[2].size() && until_s > 0) {
        list.tenants_[std::string(words[1])] = {until_s, restored};
        continue;
      }
    }
    if ((words[0] == "certificate" || words[0] == "token") && words.size() == 2) {
      list.credentials_.insert(fmt::format("{} {}", words[0], words[1]));
      continue;
    }
    return fail(
        EINVAL,
        fmt::format(
            "{} line {}: write 'tenant NAME SECONDS', 'before NAME SECONDS', 'certificate SERIAL' or 'token NONCE'",
            path, number));
  }
  return list;
}

Result<Revocations> Revocations::read(const std::string& path) {
  ROSS_TRY(const std::string text, read_file(path));
  return parse(text, path);
}

std::string Revocations::text() const {
  std::string text = "# What is revoked: written by 'ross auth revoke', read by servers.\n";
  for (const auto& [name, until] : tenants_) {
    text += fmt::format("{} {} {}\n", until.restored ? "before" : "tenant", name, until.second);
  }
  for (const std::string& credential : credentials_) text += credential + "\n";
  return text;
}

Status Revocations::write(const std::string& path) const {
  const std::string beside = fmt::format("{}.{}", path, ::getpid());
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return Status(errno).with_context(beside);
  Status status = write_all(fd, text());
  ::close(fd);
  if (status.ok() && ::rename(beside.c_str(), path.c_str()) != 0) status = Status(errno);
  if (status.ok()) return status;
  ::unlink(beside.c_str());
  return status.with_context(path);
}

std::int64_t Revocations::tenant_revoked_until_s(const std::string& name) const {
  const auto found = tenants_.find(name);
  return found == tenants_.end() ? 0 : found->second.second;
}

bool Revocations::restore_tenant(const std::string& name) {
  const auto found = tenants_.find(name);
  return found != tenants_.end() && !std::exchange(found->second.restored, true);
}

bool Revocations::revoked(const std::string& tenant, std::int64_t issued_s) const {
  const auto found = tenants_.find(tenant);
  if (found == tenants_.end()) return false;
  return issued_s == 0 ? !found->second.restored : issued_s <= found->second.second;
}

bool Revocations::revoked(const std::string& serial, const std::string& tenant, std::int64_t issued_s) const {
  return credentials_.contains("certificate " + serial) || (!tenant.empty() && revoked(tenant, issued_s));
}

bool Revocations::revoked(const Principal& who) const {
  if (who.credential.kind != Credential::Kind::kNone && credentials_.contains(who.credential.text())) return true;
  // What an agent shows is the agent's: its host's tenant has shown nothing here, and is revoked as users are.
  if (!who.agent.empty() && revoked(who.agent, who.credential.issued_s)) return true;
  const std::int64_t issued_s = who.agent.empty() ? who.credential.issued_s : 0;
  return who.tenant != nullptr && revoked(who.tenant->name, issued_s);
}

}  // namespace ross::identity
