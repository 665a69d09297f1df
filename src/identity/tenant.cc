#include "identity/tenant.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ross::identity {
namespace {

constexpr std::array<std::string_view, 4> kWords = {"none", "read", "write", "admin"};

bool any_matches(const std::vector<std::string>& patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [name](const std::string& pattern) { return matches(pattern, name); });
}

bool any_of_pool(const std::vector<std::string>& patterns, std::string_view pool) {
  return std::ranges::any_of(patterns, [pool](const std::string& pattern) {
    return matches(std::string_view(pattern).substr(0, pattern.find('/')), pool);
  });
}

}  // namespace

std::string_view to_word(Access access) { return kWords[static_cast<std::size_t>(access)]; }

std::optional<Access> access_of(std::string_view word) {
  const auto found = std::ranges::find(kWords, word);
  if (found == kWords.end()) return std::nullopt;
  return static_cast<Access>(found - kWords.begin());
}

// Goes on behind the last '*' with one byte more when what follows it does not fit.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0;
  std::size_t n = 0;
  std::size_t star = std::string_view::npos;
  std::size_t behind_star = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      behind_star = n;
    } else if (p < pattern.size() && (pattern[p] == name[n] || (pattern[p] == '?' && name[n] != '/'))) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos && name[behind_star] != '/') {
      p = star + 1;
      n = ++behind_star;
    } else {
      return false;
    }
  }
  return pattern.substr(p).find_first_not_of('*') == std::string_view::npos;
}

Access Tenant::access(std::string_view pool, std::string_view container) const {
  const std::string place = fmt::format("{}/{}", pool, container);
  if (any_matches(admin, place)) return Access::kAdmin;
  if (any_matches(write, place)) return Access::kWrite;
  return any_matches(read, place) ? Access::kRead : Access::kNone;
}

bool Tenant::uses(std::string_view pool) const {
  return any_of_pool(admin, pool) || any_of_pool(write, pool) || any_of_pool(read, pool);
}

bool Tenant::administers() const { return std::ranges::find(admin, "*/*") != admin.end(); }

bool Tenant::may_speak_for(std::string_view tenant) const { return any_matches(on_behalf, tenant); }

bool is_tenant_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= Tenant::kNameBytesMax && std::ranges::all_of(name, fits);
}

std::string complaint_about(const Tenant& tenant) {
  if (!is_tenant_name(tenant.name)) {
    return fmt::format("'{}' cannot be a tenant's name: write letters, digits, '.', '_' and '-', at most {}",
                       tenant.name, Tenant::kNameBytesMax);
  }
  for (const auto* const patterns : {&tenant.read, &tenant.write, &tenant.admin}) {
    for (const std::string& pattern : *patterns) {
      if (std::ranges::count(pattern, '/') == 1 && !pattern.starts_with('/') && !pattern.ends_with('/')) continue;
      return fmt::format("tenant {}: '{}' names no containers: write POOL/CONTAINER, as in \"pool0/*\"", tenant.name,
                         pattern);
    }
  }
  if (tenant.read.empty() && tenant.write.empty() && tenant.admin.empty() && tenant.on_behalf.empty()) {
    return fmt::format("tenant {} may do nothing: give it read, write, admin or on_behalf", tenant.name);
  }
  if (tenant.weight == 0 || tenant.weight > Tenant::kWeightMax) {
    return fmt::format("tenant {} has the weight {}: write 1 to {}", tenant.name, tenant.weight, Tenant::kWeightMax);
  }
  const Limits& limits = tenant.limits;
  if ((limits.bytes_burst != 0 && limits.bytes_per_second == 0) ||
      (limits.ops_burst != 0 && limits.ops_per_second == 0)) {
    return fmt::format("tenant {} has a burst without a limit: set bytes_per_second or ops_per_second", tenant.name);
  }
  return {};
}

}  // namespace ross::identity
